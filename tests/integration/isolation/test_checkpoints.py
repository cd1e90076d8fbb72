"""Checkpoints go into a session's process, and out of it: the latest, never a heap of them."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.integration.isolation.stage import DEADLINE_SECONDS, LIMITS, until
from tests.unit.runtime.agents import KeepingAgent

from greenroom.checkpoints.form import decoded
from greenroom.isolation import ProcessStock, RecipeSource
from greenroom.notices import Assignment, Checkpointed, Ended, Notice
from greenroom_core.clock import SystemClock
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom.isolation.life import ProcessLife

FLOOD = 3_000


async def create_agent(do: str = "stay", checkpoint: Any = None) -> KeepingAgent:
    agent = KeepingAgent(SystemClock())
    agent.checkpoint({"created with": checkpoint})
    return agent


async def join_call(
    agent: KeepingAgent, call_type: str, call_id: str, do: str = "stay", checkpoint: Any = None
) -> None:
    agent.join()
    match do:
        case "flood":
            for number in range(FLOOD):
                agent.checkpoint({"number": number, "more": "x" * 16_000})
        case "die":
            agent.checkpoint({"last": "before death"})
            await asyncio.sleep(0)
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            agent.checkpoint({"joined with": checkpoint})
    try:
        await asyncio.Event().wait()
    finally:
        agent.checkpoint({"last": "words"})


class Host:
    def __init__(self, stock: ProcessStock, do: str, checkpoint: str | None = None) -> None:
        self.notices: list[Notice] = []
        assignment = Assignment("s1", "one", "default", {"do": do}, LIMITS, checkpoint=checkpoint)
        self.life: ProcessLife = stock.life(assignment, self.notices.append)
        self.running = asyncio.create_task(self.life.run())

    @property
    def kept(self) -> list[Any]:
        return [decoded(notice.state) for notice in self.notices if isinstance(notice, Checkpointed)]

    async def ended(self) -> Ended:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.running


@asynccontextmanager
async def warm_stock() -> AsyncIterator[ProcessStock]:
    stock = ProcessStock(RecipeSource(create_agent, join_call), SystemClock())
    try:
        await stock.warm_up()
        yield stock
    finally:
        async with asyncio.timeout(60):
            await stock.close()


async def test_both_functions_get_what_was_left_and_the_launcher_hears_what_is_kept() -> None:
    async with warm_stock() as stock:
        host = Host(stock, "stay", checkpoint='{"n":4}')
        await until(lambda: {"joined with": {"n": 4}} in host.kept)
        host.life.leave(EndReason.DRAINED)
        assert (await host.ended()).reason is EndReason.DRAINED
        assert host.kept == [{"created with": {"n": 4}}, {"joined with": {"n": 4}}, {"last": "words"}]
        assert isinstance(host.notices[-1], Ended)


async def test_of_a_flood_the_launcher_hears_the_latest() -> None:
    async with warm_stock() as stock:
        host = Host(stock, "flood")
        await until(lambda: host.kept and host.kept[-1].get("number") == FLOOD - 1)
        assert len(host.kept) < FLOOD / 10
        host.life.leave(EndReason.CLOSE_REQUESTED)
        await host.ended()
        assert host.kept[-1] == {"last": "words"}


async def test_what_was_kept_before_its_process_died_is_known() -> None:
    async with warm_stock() as stock:
        host = Host(stock, "die")
        ending = await host.ended()
        assert "signal 9" in ending.message
        assert host.kept[-1] == {"last": "before death"}
