"""Slots and limits under clients that race: never one too many, never a refusal without need."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.invariants import Event, Kind, events
from tests.stack import Answer, FleetPlan, Stack
from tests.stack.kubectl import session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_local.control_plane import ControlPlane

TEAM = "example.com/team"

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    fleets = [
        FleetPlan(name="default", pods=1, slots=10, limits={"maxSessionsPerCall": 1, "maxConcurrentSessions": 6}),
        FleetPlan(name="tiny", pods=1, slots=1, queue={"fairBy": TEAM}),
        FleetPlan(name="brisk", pods=1, slots=2, queue={"whenFull": "Refuse"}),
    ]
    async with Stack(control_plane, tmp_path_factory.mktemp("limits"), fleets, apis=2) as stack:
        yield stack


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def emptied(stack: Stack) -> AsyncIterator[None]:
    """No session of one test lives on in the next."""
    yield
    await stack.settle()
    assert all(events.ended(body) for body in stack.recorder.sessions())


def by_status(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


async def test_clients_racing_for_one_call(stack: Stack) -> None:
    for round_ in range(3):
        call = f"raced-{round_}"
        answers = await asyncio.gather(*(stack.rest[number % 2].start(call) for number in range(16)))
        assert by_status(answers) == {201: 1, 429: 15}
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.detail == "Reached maximum number of sessions for this call"
        assert int(refused.headers["Retry-After"]) >= 1
        (winner,) = (answer.session_id for answer in answers if answer.status == 201)
        assert (await stack.rest[1].close(call, winner)).status == 202
        await stack.until_ended(winner)
    agents = [line for line in stack.journal.lines() if line.event == "built"]
    assert len(agents) == 3, "refused ones never had an agent"


async def test_manifests_racing_for_one_call(stack: Stack) -> None:
    names = [f"applied-{number}" for number in range(8)]
    await stack.kubectl.apply(*(session(name, "applied") for name in names))
    losers = []
    for name in names:
        body = await stack.until(name, lambda body: events.phase(body) in ("Running", "Failed"))
        losers += [events.status(body)["reason"]] if events.ended(body) else []
    assert losers == ["MaxSessionsPerCall"] * 7


async def test_both_ways_in_at_once(stack: Stack) -> None:
    names = [f"mixed-{number}" for number in range(4)]
    applied = stack.kubectl.apply(*(session(name, "mixed") for name in names))
    answers, _ = await asyncio.gather(
        asyncio.gather(*(stack.rest[number % 2].start("mixed") for number in range(6))), applied
    )
    for name in names:
        await stack.until(name, lambda body: events.phase(body) in ("Running", "Failed"))
    bodies = [stack.recorder.session(name) for name in names]
    running = [body for body in bodies if body is not None and not events.ended(body)]
    assert by_status(answers)[201] + len(running) == 1


async def test_clients_racing_for_the_last_place(stack: Stack) -> None:
    answers = await asyncio.gather(*(stack.rest[number % 2].start(f"crowd-{number}") for number in range(20)))
    assert by_status(answers) == {201: 6, 429: 14}
    assert {answer.detail for answer in answers if answer.status == 429} == {
        "Reached maximum number of concurrent sessions"
    }
    one = next(number for number, answer in enumerate(answers) if answer.status == 201)
    await stack.api.close(f"crowd-{one}", answers[one].session_id)
    await stack.until_ended(answers[one].session_id)
    async with asyncio.timeout(30):  # the API's feed may be behind the recorder's
        while (await stack.api.look(f"crowd-{one}", answers[one].session_id)).status != 404:
            await asyncio.sleep(0.01)
    assert (await stack.api.start_patiently("crowd-new", "k")).status == 201, "a place is free again"


async def test_refused_and_withdrawn_ones_leave_no_record(stack: Stack) -> None:
    """The operator is the judge of a tie, so some of the losers had an object for a moment."""
    answers = await asyncio.gather(*(stack.rest[number % 2].start("once") for number in range(8)))
    assert by_status(answers) == {201: 1, 429: 7}
    await stack.recorder.until(lambda: len(_of_call(stack, "once")) == 1, 30, "the winner alone")


def _of_call(stack: Stack, call: str) -> list[Any]:
    return [body for body in stack.recorder.sessions() if events.call_of(body) == call]


def _is_of_call(event: Event, call: str) -> bool:
    return event.kind is Kind.SESSION and events.call_of(event.body) == call


async def test_no_slot_in_time_by_rest(stack: Stack) -> None:
    first = await stack.api.start("tiny-1", runtime="tiny")
    assert first.status == 201
    late = await stack.rest[1].start("tiny-2", runtime="tiny", limits={"start_deadline_seconds": 1.5})
    assert late.status == 503
    assert int(late.headers["Retry-After"]) >= 1
    assert 1.4 < late.seconds < 60
    await stack.recorder.until(lambda: not _of_call(stack, "tiny-2"), 30, "the withdrawal")
    withdrawn = {event.body["metadata"]["name"] for event in stack.recorder.events if _is_of_call(event, "tiny-2")}
    assert withdrawn
    assert not withdrawn & {line.session for line in stack.journal.lines()}, "no agent was started"


async def test_no_slot_in_time_by_kubectl(stack: Stack) -> None:
    await stack.api.start("tiny-1", runtime="tiny")
    await stack.kubectl.apply(session("patient", "tiny-2", runtime="tiny", limits={"startDeadlineSeconds": 3}))

    def told(body: Any) -> bool:
        found = events.condition(body, "Scheduled")
        return found is not None and found["reason"] == "NoFreeSlot"

    await stack.until("patient", told)
    status = await stack.until_ended("patient")
    assert (status["phase"], status["reason"]) == ("Failed", "StartDeadline")


async def test_who_waits_is_served_by_priority_then_age(stack: Stack) -> None:
    first = await stack.api.start("tiny-1", runtime="tiny")
    waiting = [("third", 0), ("first", 9), ("second", 5)]
    for name, priority in waiting:
        await stack.kubectl.apply(session(name, f"tiny-{name}", runtime="tiny", priority=priority))
    for name, _ in waiting:
        await stack.until(name, lambda body: events.condition(body, "Scheduled") is not None)
    await stack.api.close("tiny-1", first.session_id)
    for name in ("first", "second", "third"):
        await stack.until_phase(name, "Running")
        assert [n for n, _ in waiting if _running(stack, n)] == [name]
        await stack.request_close(name)
        await stack.until_ended(name)


async def test_callers_take_turns(stack: Stack) -> None:
    first = await stack.api.start("tiny-blue", runtime="tiny", labels={TEAM: "blue"})
    waiting = [("blue-1", "blue"), ("blue-2", "blue"), ("red-1", "red"), ("red-2", "red")]
    for name, team in waiting:
        body = session(name, f"tiny-{name}", runtime="tiny", limits={"startDeadlineSeconds": 60})
        body["metadata"]["labels"] = {TEAM: team}
        await stack.kubectl.apply(body)
        await stack.until(name, lambda body: events.condition(body, "Scheduled") is not None)
    await stack.api.close("tiny-blue", first.session_id)
    for name in ("red-1", "blue-1", "red-2", "blue-2"):
        await stack.until_phase(name, "Running")
        assert [n for n, _ in waiting if _running(stack, n)] == [name]
        await stack.request_close(name)
        await stack.until_ended(name)


async def test_a_full_fleet_that_lets_nobody_wait_refuses_at_once(stack: Stack) -> None:
    answers = await asyncio.gather(
        *(stack.rest[number % 2].start(f"brisk-{number}", runtime="brisk") for number in range(8))
    )
    assert by_status(answers) == {201: 2, 429: 6}
    refused = [answer for answer in answers if answer.status == 429]
    assert {answer.detail for answer in refused} == {
        "No slot is free, and nobody waits for one here; no agent was started"
    }
    assert all(int(answer.headers["Retry-After"]) >= 1 and answer.seconds < 30 for answer in refused)
    calls = [f"brisk-{number}" for number in range(8) if answers[number].status == 429]
    await stack.recorder.until(lambda: not any(_of_call(stack, call) for call in calls), 30, "the tidying")
    await stack.kubectl.apply(session("too-many", "brisk-k", runtime="brisk"))
    status = await stack.until_ended("too-many")
    assert (status["phase"], status["reason"]) == ("Failed", "NoCapacity")


def _running(stack: Stack, name: str) -> bool:
    body = stack.recorder.session(name)
    return body is not None and events.phase(body) == "Running"


async def test_burst_over_the_slots_is_served_as_slots_come_free(stack: Stack) -> None:
    answers = await asyncio.gather(
        *(
            stack.rest[number % 2].start(f"queue-{number}", runtime="tiny", parameters={"finish_seconds": 0.05})
            for number in range(12)
        )
    )
    assert by_status(answers) == {201: 12}
