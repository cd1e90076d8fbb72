"""The road between a program and the API server: each fault of the script befalls the request that it is for."""

from __future__ import annotations

import asyncio

from tests.fakes.apiserver import FakeApiServer
from tests.fakes.virtual_time import run_virtual
from tests.simulation.programs import Road
from tests.simulation.script import Fault, Place

from greenroom_core.kube.transport import Answer, Request, TransportError


class _Lossy(Road):
    """Each watch is opened with a fault that only a whole answer can suffer."""

    def __init__(self, befallen: int) -> None:
        faults = {"read": {number: Fault("reply") for number in range(1, 2 * befallen, 2)}}
        super().__init__(Place(), faults, lambda request, fault: None)


def test_what_a_watch_does_not_suffer_befalls_no_later_request() -> None:
    """Which may live at the address where the watch's request lived."""
    count = 20

    async def told() -> int:
        server = FakeApiServer()
        transport = server.transport("program")
        transport.faults = _Lossy(count)
        lost = 0
        for _ in range(count):
            async with transport.stream(_asked({"watch": "1"}), 1):
                pass
            try:
                await transport.send(_asked({}), 1)
            except TransportError:
                lost += 1
        return lost

    assert run_virtual(told()) == 0


def test_a_lost_answer_is_lost_to_the_request_that_was_to_lose_it() -> None:
    async def told() -> list[Answer | BaseException]:
        server = FakeApiServer()
        transport = server.transport("program")
        transport.faults = Road(Place(), {"read": {2: Fault("reply")}}, lambda request, fault: None)
        return await asyncio.gather(*(transport.send(_asked({}), 1) for _ in range(3)), return_exceptions=True)

    one, other, third = run_virtual(told())
    assert isinstance(other, TransportError)
    assert [answer.status for answer in (one, third) if isinstance(answer, Answer)] == [200, 200]


def _asked(query: dict[str, str]) -> Request:
    return Request("GET", "/apis/greenroom.dev/v1alpha1/namespaces/default/agentsessions", query)
