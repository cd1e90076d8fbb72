"""Programs are killed in mid-burst, with limits that callers race for. The same faults by the dozen: tests/fault."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.invariants import KeyedAnswer, Tolerance, events
from tests.stack import Answer, FleetPlan, Program, Stack
from tests.stack.meters import samples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

# A lease of 5 s has to run out, and its successor has to take over.
WITHOUT_A_LEADER = Tolerance(quiet_seconds=15.0, longest_seconds=30.0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    fleet = FleetPlan(pods=3, slots=20, limits={"maxSessionsPerCall": 1})
    async with Stack(
        control_plane,
        tmp_path_factory.mktemp("crashes"),
        [fleet],
        operators=2,
        apis=2,
        tolerance=WITHOUT_A_LEADER,
    ) as stack:
        yield stack


async def leader(stack: Stack) -> Program:
    async with asyncio.timeout(60):
        while True:
            for operator in stack.operators:
                if operator.process.running and await leads(operator):
                    return operator
            await asyncio.sleep(0.1)


async def leads(operator: Program) -> bool:
    try:
        async with asyncio.timeout(5):
            page = await operator.metrics()
    except (OSError, TimeoutError):
        return False
    return any(value == 1 for _, value in samples(page, "greenroom_operator_leading"))


class Burst:
    """Patient clients with keys, over both APIs: two for each call, which may have only one session."""

    def __init__(self, stack: Stack, name: str, calls: int) -> None:
        self._stack = stack
        self._tasks = [
            asyncio.create_task(self._client(number, f"{name}-{number % calls}", f"{name}-key-{number}"))
            for number in range(2 * calls)
        ]

    async def answers(self) -> list[Answer]:
        async with asyncio.timeout(120):
            return await asyncio.gather(*self._tasks)

    async def until_answered(self, count: int) -> None:
        async with asyncio.timeout(60):
            while sum(task.done() for task in self._tasks) < count:
                await asyncio.wait([task for task in self._tasks if not task.done()], return_when="FIRST_COMPLETED")

    async def _client(self, number: int, call: str, key: str) -> Answer:
        rest = self._stack.rest[number % 2]
        answer = await rest.start_patiently(call, key, parameters={"build_seconds": 0.05})
        if answer.status == 201:
            self._stack.answers.append(KeyedAnswer(call, key, answer.session_id))
        return answer


def alive(stack: Stack) -> list[str]:
    return [events.name(body) for body in stack.recorder.sessions() if not events.ended(body)]


async def one_for_each_call(stack: Stack, burst: Burst, calls: int) -> None:
    statuses = Counter(answer.status for answer in await burst.answers())
    assert statuses == {201: calls, 429: calls}
    # The answer to a client may be ahead of what the recorder has been told.
    await stack.recorder.until(lambda: len(alive(stack)) == calls, 30, f"{calls} living sessions")


async def test_leader_killed_with_a_standby(stack: Stack) -> None:
    killed = await leader(stack)
    burst = Burst(stack, "leader", 20)
    await burst.until_answered(4)
    await killed.process.kill()
    await one_for_each_call(stack, burst, 20)
    assert await leader(stack) is not killed
    killed.process.start()
    await killed.until_ready()
    await stack.settle()


async def test_all_operators_killed(stack: Stack) -> None:
    running = await stack.api.start("before")
    for operator in stack.operators:
        await operator.process.kill()
    burst = Burst(stack, "headless", 10)
    await stack.recorder.until(
        lambda: len([n for n in alive(stack) if n != running.session_id]) >= 10, 30, "sessions that wait"
    )
    closed = await stack.api.close("before", running.session_id)
    assert closed.status == 202
    assert (await stack.until_ended(running.session_id))["reason"] == "CloseRequested", "without operators"
    for operator in stack.operators:
        operator.process.start()
    await one_for_each_call(stack, burst, 10)
    await stack.settle()


async def test_runtime_killed(stack: Stack) -> None:
    """Running sessions end as PodLost, those only Scheduled run elsewhere, those that may run again do."""
    keep = await stack.api.start("keep", restart_policy="OnPodLoss")
    lose = await stack.api.start("lose")
    await stack.until_phase(lose.session_id, "Running")
    first = await stack.until_phase(keep.session_id, "Running")
    pod = events.status(first)["podName"]
    lost_uid = events.pod_uid(first)
    burst = [asyncio.create_task(stack.api.start(f"slow-{n}", parameters={"build_seconds": 3.0})) for n in range(6)]
    await stack.recorder.until(
        lambda: sum(events.phase(body) == "Scheduled" for body in stack.recorder.sessions()) >= 6, 30, "binds"
    )
    os.kill(stack.node.pid(pod), signal.SIGKILL)
    status = await stack.until_ended(lose.session_id)
    assert (status["phase"], status["reason"]) == ("Failed", "PodLost")
    again = await stack.until(
        keep.session_id, lambda body: events.phase(body) == "Running" and events.pod_uid(body) != lost_uid
    )
    assert events.attempt(again) == 2
    answers = await asyncio.gather(*burst)
    assert [answer.status for answer in answers] == [201] * 6
    for answer in answers:
        body = stack.recorder.session(answer.session_id)
        assert body is not None
        assert events.pod_uid(body) != lost_uid
    await stack.until_pods_ready(3)
    await stack.settle()
