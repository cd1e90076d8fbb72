"""Many requests as few: none waits for company, all keep their order, and an error reaches those concerned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from greenroom.registry import StoreUnavailable
from greenroom.registry.coalescing import Coalesced

if TYPE_CHECKING:
    from collections.abc import Sequence


class Server:
    """Doubles numbers; a gate that is closed holds the batch under way."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def double(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [2 * number for number in numbers]


async def test_what_comes_in_one_turn_goes_together():
    server = Server()
    double = Coalesced(server.double, 100)
    assert await asyncio.gather(*(double(number) for number in range(10))) == [2 * number for number in range(10)]
    assert await double(11) == 22
    assert server.batches == [list(range(10)), [11]]


async def test_the_next_batch_gathers_while_one_is_under_way():
    server = Server()
    double = Coalesced(server.double, 3)
    server.gate.clear()
    waiting = [asyncio.create_task(double(0))]
    while not server.batches:
        await asyncio.sleep(0)
    waiting += [asyncio.create_task(double(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    server.gate.set()
    assert await asyncio.gather(*waiting) == [0, 2, 4, 6, 8, 10]
    assert server.batches == [[0], [1, 2, 3], [4, 5]]


async def test_who_left_before_the_batch_began_is_left_out():
    server = Server()
    double = Coalesced(server.double, 100)
    gone, stays = asyncio.create_task(double(1)), asyncio.create_task(double(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 4
    assert server.batches == [[2]]


async def test_who_leaves_later_costs_the_others_nothing():
    server = Server()
    double = Coalesced(server.double, 100)
    server.gate.clear()
    gone, stays = asyncio.create_task(double(1)), asyncio.create_task(double(2))
    while not server.batches:
        await asyncio.sleep(0)
    gone.cancel()
    server.gate.set()
    assert await stays == 4
    assert gone.cancelled()


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ValueError("refused")])
async def test_an_error_reaches_its_batch_and_no_later_one(error: Exception):
    server = Server()
    double = Coalesced(server.double, 100)
    server.error = error
    outcomes = await asyncio.gather(*(double(number) for number in range(3)), return_exceptions=True)
    assert [(type(one), str(one)) for one in outcomes] == [(type(error), str(error))] * 3
    server.error = None
    assert await double(1) == 2


async def test_settled_is_when_nothing_is_under_way():
    server = Server()
    double = Coalesced(server.double, 1)
    await double.settle()
    waiting = [asyncio.create_task(double(number)) for number in range(3)]
    await asyncio.sleep(0)
    await double.settle()
    assert len(server.batches) == 3
    assert await asyncio.gather(*waiting) == [0, 2, 4]
