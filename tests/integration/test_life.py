"""A session's whole life on the real thing, both ways in: what is shown, what is written, how it is ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from tests.invariants import KeyedAnswer, Type, events
from tests.stack import FleetPlan, Stack
from tests.stack.kubectl import session

from greenroom_core.model.metrics import SessionMetrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

# Long enough that "Running" and "Joined" are two facts at two times, on a busy machine too.
JOINS = {"join_seconds": 0.6}
SHORT = {**JOINS, "finish_seconds": 0.6}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    fleet = FleetPlan(pods=2, slots=8)
    async with Stack(control_plane, tmp_path_factory.mktemp("life"), [fleet]) as stack:
        yield stack


def phases(stack: Stack, name: str) -> list[str]:
    """Each phase that was shown, in order, once for each time it was entered."""
    shown = [events.phase(event.body).value for event in stack.recorder.history(name) if not event.gone]
    return [phase for number, phase in enumerate(shown) if number == 0 or shown[number - 1] != phase]


def writes(stack: Stack, name: str) -> int:
    """Of the object so far: every version that there was, but for a wait's notice, which only a slow machine brings."""
    return len([event for event in stack.recorder.history(name) if not waits(event.body)])


def waits(body: Any) -> bool:
    shown = events.condition(body, "Scheduled")
    return shown is not None and shown["status"] == "False" and not events.ended(body)


def conditions(status: Any) -> dict[str, str]:
    return {item["type"]: item["status"] for item in status["conditions"]}


# --- the whole life ---


async def test_by_rest(stack: Stack) -> None:
    started = await stack.api.start("call-1", parameters=SHORT, labels={"team": "red"})
    assert started.status == 201
    assert started.body["call_id"] == "call-1"
    name = started.session_id
    assert events.phase(stack.recorder.session(name) or {"status": {}}) in ("Running", "Pending", "Scheduled")
    status = await stack.until_ended(name)
    assert phases(stack, name) == ["Pending", "Scheduled", "Running", "Closed"]
    assert (status["reason"], status["attempt"]) == ("Finished", 1)
    assert status["startedAt"] <= status["joinedAt"] <= status["endedAt"]
    assert conditions(status) == {"Scheduled": "True", "Ready": "False", "Joined": "False"}
    assert status["metrics"]["llm_latency_ms__avg"] == 12.5
    assert writes(stack, name) == 5, "create, bind, Running, Joined, end"
    assert [line.event for line in stack.journal.of(name)] == ["built", "joined", "left"]


async def test_by_kubectl(stack: Stack) -> None:
    await stack.kubectl.apply(session("applied", "call-2", parameters=SHORT))
    status = await stack.until_ended("applied")
    assert phases(stack, "applied") == ["Pending", "Scheduled", "Running", "Closed"]
    assert status["reason"] == "Finished"
    assert writes(stack, "applied") == 6, "create, finalizer, bind, Running, Joined, end"
    shown = await stack.kubectl.ok("get", "ags", "applied")
    assert "Closed" in shown
    assert "call-2" in shown


async def test_figures_on_demand(stack: Stack) -> None:
    started = await stack.api.start("call-3", parameters=JOINS)
    name = started.session_id
    await stack.until(name, lambda body: "joinedAt" in events.status(body))
    before = writes(stack, name)
    answer = await stack.api.metrics("call-3", name)
    assert answer.status == 200
    assert set(answer.body["metrics"]) == set(SessionMetrics.__struct_fields__)
    assert answer.body["metrics"]["llm_latency_ms__avg"] == 12.5
    assert answer.body["metrics"]["stt_latency_ms__avg"] is None
    assert answer.body["metrics_generated_at"]
    assert writes(stack, name) - before == 2, "the request and the figures"
    await stack.api.close("call-3", name)


async def test_looking(stack: Stack) -> None:
    started = await stack.api.start("call-4")
    looked = await stack.api.look("call-4", started.session_id)
    assert looked.status == 200
    assert looked.body == started.body
    listed = await stack.api.ask("GET", "/calls/call-4/sessions")
    assert [item["session_id"] for item in listed.body["sessions"]] == [started.session_id]
    await stack.api.close("call-4", started.session_id)
    await stack.until_ended(started.session_id)
    async with asyncio.timeout(30):  # the API's feed may be behind the recorder's
        while (await stack.api.look("call-4", started.session_id)).status != 404:
            await asyncio.sleep(0.01)
    listed = await stack.api.ask("GET", "/calls/call-4/sessions")
    assert [(item["phase"], item["reason"]) for item in listed.body["sessions"]] == [("Closed", "CloseRequested")]


# --- the ways to end it ---


async def close_by_rest(stack: Stack, name: str) -> None:
    assert (await stack.api.close("closing", name)).status == 202


async def close_by_beacon(stack: Stack, name: str) -> None:
    assert (await stack.api.ask("POST", f"/calls/closing/sessions/{name}/close")).status == 202


async def close_by_annotation(stack: Stack, name: str) -> None:
    await stack.kubectl.ok("annotate", "agentsession", name, "greenroom.dev/close-requested=please")


@pytest.mark.parametrize("close", [close_by_rest, close_by_beacon, close_by_annotation])
async def test_closed(stack: Stack, close: Any) -> None:
    started = await stack.api.start("closing", parameters=JOINS)
    name = started.session_id
    await stack.until(name, lambda body: "joinedAt" in events.status(body))
    await close(stack, name)
    status = await stack.until_ended(name)
    assert (status["phase"], status["reason"]) == ("Closed", "CloseRequested")
    assert writes(stack, name) == 6, "the request is one more"


async def test_deleted_object_stays_until_its_agent_has_left(stack: Stack) -> None:
    await stack.kubectl.apply(session("deleted", "call-5", parameters={"leave_seconds": 1.5}))
    await stack.until_phase("deleted", "Running")
    await stack.kubectl.ok("delete", "agentsession", "deleted", "--wait=false")
    await stack.until_gone("deleted")
    history = stack.recorder.history("deleted")
    assert history[-1].type is Type.DELETED
    assert events.status(history[-1].body)["reason"] == "Deleted"
    assert "Closing" in phases(stack, "deleted"), "leaving took over a second"
    # The journal and the recorder read clocks that may differ; the API server's order does not: left, then gone.
    assert [line.event for line in stack.journal.of("deleted")] == ["built", "joined", "left"]


async def test_deleted_before_it_was_bound(stack: Stack) -> None:
    await stack.kubectl.apply(session("nowhere", "call-5", runtime="absent"))
    await stack.until("nowhere", lambda body: True)
    await stack.kubectl.ok("delete", "agentsession", "nowhere", "--timeout=60s")
    await stack.until_gone("nowhere")
    assert stack.journal.of("nowhere") == []


async def test_closed_before_it_was_bound(stack: Stack) -> None:
    await stack.kubectl.apply(session("unwanted", "call-5", runtime="absent"))
    await stack.until("unwanted", lambda body: True)
    await close_by_annotation(stack, "unwanted")
    status = await stack.until_ended("unwanted")
    assert (status["phase"], status["reason"]) == ("Closed", "CloseRequested")


async def test_end_of_its_time(stack: Stack) -> None:
    started = await stack.api.start("call-6", limits={"max_duration_seconds": 0.6})
    status = await stack.until_ended(started.session_id)
    assert (status["phase"], status["reason"]) == ("Closed", "MaxDuration")


async def test_alone_too_long(stack: Stack) -> None:
    started = await stack.api.start("call-7", parameters={"alone": True}, limits={"idle_timeout_seconds": 0.5})
    status = await stack.until_ended(started.session_id)
    assert (status["phase"], status["reason"]) == ("Closed", "Idle")


async def test_kept_for_its_time_and_no_longer(stack: Stack) -> None:
    started = await stack.api.start("call-8", parameters=SHORT, ttl_seconds_after_finished=1)
    await stack.until_ended(started.session_id)
    await stack.until_gone(started.session_id)
    assert writes(stack, started.session_id) == 5 + 2, "and two to delete"


async def test_a_name_comes_back(stack: Stack) -> None:
    for _ in range(2):
        await stack.kubectl.apply(session("phoenix", "call-9", parameters=SHORT))
        await stack.until_ended("phoenix")
        await stack.kubectl.ok("delete", "agentsession", "phoenix", "--timeout=60s")
        await stack.until_gone("phoenix")
    assert [line.event for line in stack.journal.of("phoenix")] == ["built", "joined", "left"] * 2


# --- keys and clients that go away ---


async def test_same_key_same_session(stack: Stack) -> None:
    several = await asyncio.gather(*(stack.api.start("call-10", key="order-1") for _ in range(6)))
    again = await stack.api.start("call-10", key="order-1")
    for answer in (*several, again):
        assert answer.status == 201
        stack.answers.append(KeyedAnswer("call-10", "order-1", answer.session_id))
    assert len({answer.session_id for answer in several}) == 1
    other = await stack.api.start("call-10", key="order-1", parameters=SHORT)
    assert other.status == 422, "another body"
    assert len([line for line in stack.journal.of(again.session_id) if line.event == "built"]) == 1
    await stack.api.close("call-10", again.session_id)
    await stack.until_ended(again.session_id)
    assert (await stack.api.start("call-10", key="order-1")).session_id == again.session_id, "ended, but its key stays"


async def test_client_that_goes_away_has_its_session_withdrawn(stack: Stack) -> None:
    before = {events.name(body) for body in stack.recorder.sessions()}
    async with aiohttp.ClientSession() as client:
        post = asyncio.create_task(
            client.post(f"{stack.apis[0].url}/calls/call-11/sessions", json={"parameters": {"build_seconds": 30}})
        )

        def created() -> str | None:
            new = [events.name(body) for body in stack.recorder.sessions() if events.call_of(body) == "call-11"]
            return new[0] if new and new[0] not in before else None

        name = await stack.recorder.until(created, 30, "the object of the start")
        await stack.until_phase(name, "Scheduled")
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)
    await stack.until_gone(name)
    assert [line.event for line in stack.journal.of(name)] == []
