"""An edge's answer to an offer, from an agent in a runtime pod to the client, on the real thing."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.invariants import events
from tests.stack import FleetPlan, Stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

AGENT = Path(__file__).parents[1] / "agents" / "answering.py"
SLOWLY = {"answer_seconds": 0.6, "join_seconds": 0.6}
"""Long enough that "Running", the answer and "Joined" are three facts at three times, on a busy machine too."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    fleets = [
        FleetPlan(name=name, pods=1, slots=8, agent=AGENT, environment={"GREENROOM_TEST_ISOLATION": isolation})
        for name, isolation in (("default", "none"), ("processes", "process"))
    ]
    async with Stack(control_plane, tmp_path_factory.mktemp("answers"), fleets, apis=2) as stack:
        yield stack


@pytest.mark.parametrize("runtime", ["default", "processes"])
async def test_it_reaches_the_client_through_any_replica_at_one_more_write(stack: Stack, runtime: str) -> None:
    call = f"call-of-{runtime}"
    started = await stack.rest[0].start(call, runtime=runtime, parameters={"offer": "v=0", **SLOWLY})
    name = started.session_id
    for told in await asyncio.gather(*(api.answer(call, name) for api in stack.rest)):
        assert told.status == 200
        assert told.body == {"session_id": name, "call_id": call, "answer": "the answer to v=0"}
    assert (await stack.kubectl.ok("get", "ags", name, "-o", "jsonpath={.status.answer}")) == "the answer to v=0"
    await stack.until(name, lambda body: "joinedAt" in events.status(body))
    assert (await stack.api.answer(call, name, 0)).status == 200
    assert (await stack.api.answer("another", name)).status == 404
    await stack.api.close(call, name)
    status = await stack.until_ended(name)
    assert (status["reason"], status.get("answer")) == ("CloseRequested", None)
    async with asyncio.timeout(30):  # the API's feed may be behind the recorder's
        while (await stack.api.answer(call, name)).status != 404:
            await asyncio.sleep(0.01)
    assert len(stack.recorder.history(name)) == 7, "create, bind, Running, the answer, Joined, close request, end"


async def test_no_answer_in_time_is_204_and_the_session_s_end_404_at_once(stack: Stack) -> None:
    name = (await stack.api.start("silent", parameters={"offer": "silence"})).session_id
    told = await stack.api.answer("silent", name, 0.5)
    assert (told.status, told.body) == (204, "")
    assert told.seconds >= 0.5
    waiting = [asyncio.create_task(api.answer("silent", name, 30)) for api in stack.rest]
    begun = time.monotonic()
    await stack.api.close("silent", name)
    assert [told.status for told in await asyncio.gather(*waiting)] == [404, 404]
    assert time.monotonic() - begun < 25
    assert "answer" not in await stack.until_ended(name)
