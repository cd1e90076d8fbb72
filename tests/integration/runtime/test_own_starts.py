"""A launcher in a pod, without Runner and HTTP server, on the real thing: its sessions are objects like all others."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.invariants import Tolerance, events
from tests.stack import FleetPlan, Stack

from greenroom_core.kube.kinds import PODS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).with_name("commanded.py")
CHAINED = Path(__file__).with_name("chained.py")
JOINS = {"join_seconds": 0.6}
SHORT = {**JOINS, "finish_seconds": 0.6}
SLOW = {"build_seconds": 30.0}
OUTAGE_SECONDS = 6.0
# One test stops the API server for longer than the lease.
PATIENT = Tolerance(quiet_seconds=20.0, longest_seconds=30.0)


class Pods:
    """Gives commands to the programs in the pods."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder

    def names(self, runtime: str = "default") -> list[str]:
        return sorted(self._stack.open_pods(runtime))

    async def ask(self, pod: str, do: str, **command: Any) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(str(self._folder / pod[-12:]))
        with closing(writer):
            writer.write(json.dumps({"do": do, **command}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await reader.readline())
            return answer

    async def start(self, pod: str, call: str, **command: Any) -> dict[str, Any]:
        return await self.ask(pod, "start", call=call, **command)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="gr-") as sockets:  # a socket's path may not be long
        environment = {"PYTHONPATH": str(ROOT), "GREENROOM_TEST_SOCKETS": sockets}
        program = {"agent": PROGRAM, "environment": environment}
        fleets = [
            FleetPlan(name="default", pods=2, slots=6, **program),
            FleetPlan(
                name="few", pods=2, slots=6, limits={"maxSessionsPerCall": 1, "maxConcurrentSessions": 5}, **program
            ),
            FleetPlan(name="tiny", pods=1, slots=1, **program),
            FleetPlan(name="chain", pods=2, slots=2, agent=CHAINED, environment=environment),
        ]
        folder = tmp_path_factory.mktemp("own")
        async with Stack(control_plane, folder, fleets, apis=1, tolerance=PATIENT) as stack:
            stack.sockets = Path(sockets)  # type: ignore[attr-defined]
            yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def pods(stack: Stack) -> AsyncIterator[Pods]:
    """No session of one test lives on in the next."""
    yield Pods(stack, stack.sockets)  # type: ignore[attr-defined]
    await stack.settle()


def of_call(stack: Stack, call: str) -> list[Any]:
    return [body for body in stack.recorder.sessions() if events.call_of(body) == call]


def unready(stack: Stack, pod: str) -> bool:
    [body] = [body for body in stack.recorder.pods() if events.name(body) == pod]
    ready = events.condition(body, "Ready")
    return ready is not None and ready["status"] == "False"


async def test_a_whole_life_is_five_writes(stack: Stack, pods: Pods) -> None:
    pod = pods.names()[0]
    answer = await pods.start(pod, "call-1", parameters=SHORT)
    name = answer["session"]
    assert answer == {"session": name, "agent": name, "joined": False}
    status = await stack.until_ended(name)
    assert (status["phase"], status["reason"], status["podName"]) == ("Closed", "Finished", pod)
    assert [line.event for line in stack.journal.of(name)] == ["built", "joined", "left"]
    assert len(stack.recorder.history(name)) == 5, "create, bind, Running, Joined, end"


async def test_seen_from_another_pod_and_closed_by_its_own_and_by_rest(stack: Stack, pods: Pods) -> None:
    one, two = pods.names()
    first = (await pods.start(one, "call-2"))["session"]
    second = (await pods.start(one, "call-2"))["session"]
    for name in (first, second):
        await stack.until(name, lambda body: "joinedAt" in events.status(body))
    info = (await pods.ask(two, "info", call="call-2", session=first))["info"]
    assert (info["pod"], info["phase"]) == (one, "Running")
    assert (await pods.ask(two, "list", call="call-2"))["sessions"] == {first: "Running", second: "Running"}
    assert (await pods.ask(two, "sessions"))["sessions"] == []
    assert (await pods.ask(one, "sessions"))["sessions"] == [first, second]
    assert (await stack.api.look("call-2", first)).status == 200
    assert await pods.ask(two, "info", call="other", session=first) == {"info": None}
    assert await pods.ask(two, "close", session=first) == {"known": False}
    refused = await pods.ask(two, "request close", call="call-2", session=first)
    assert refused["error"] == "HeldElsewhere"
    assert await pods.ask(one, "request close", call="call-2", session=first) == {"known": True}
    assert (await stack.until_ended(first))["reason"] == "CloseRequested"
    assert (await stack.api.close("call-2", second)).status == 202
    assert (await stack.until_ended(second))["reason"] == "CloseRequested"
    assert await pods.ask(two, "info", call="call-2", session=first) == {"info": None}
    assert await pods.ask(two, "request close", call="call-2", session=first) == {"known": False}


async def test_limits_hold_while_clients_and_launchers_race(stack: Stack, pods: Pods) -> None:
    calls: list[str] = []
    for round_ in range(5):
        call = f"raced-{round_}"
        own, by_rest = await asyncio.gather(
            asyncio.gather(*(pods.start(pod, call) for pod in pods.names("few") for _ in range(4))),
            asyncio.gather(*(stack.api.start(call, runtime="few") for _ in range(4))),
        )
        refused = Counter(answer["error"] for answer in own if "error" in answer)
        assert refused.keys() <= {"MaxSessionsPerCallExceeded"}
        assert {answer.status for answer in by_rest} <= {201, 429}
        won = [answer["session"] for answer in own if "session" in answer]
        won += [answer.session_id for answer in by_rest if answer.status == 201]
        assert len(won) == 1
        told = {answer["text"] for answer in own if "error" in answer}
        assert told <= {"Reached maximum sessions per call of 1"}
        await stack.request_close(won[0])
        await stack.until_ended(won[0])
        calls.append(call)
    for call in calls:
        await stack.recorder.until(lambda: len(of_call(stack, call)) == 1, 60, "the winner alone")  # noqa: B023


async def test_the_last_places_of_a_fleet(stack: Stack, pods: Pods) -> None:
    own, by_rest = await asyncio.gather(
        asyncio.gather(*(pods.start(pod, f"crowd-{pod}-{n}") for pod in pods.names("few") for n in range(5))),
        asyncio.gather(*(stack.api.start(f"crowd-{n}", runtime="few") for n in range(5))),
    )
    started = sum("session" in answer for answer in own) + sum(answer.status == 201 for answer in by_rest)
    assert started == 5
    assert {answer.get("text") for answer in own} <= {None, "Reached maximum concurrent sessions of 5"}


async def test_a_full_pod_its_deadline_and_its_turn(stack: Stack, pods: Pods) -> None:
    [pod] = pods.names("tiny")
    first = (await pods.start(pod, "tiny-1"))["session"]
    late = await pods.start(pod, "tiny-2", deadline=1.5)
    assert late["error"] == "NoFreeSlot"
    await stack.recorder.until(lambda: not of_call(stack, "tiny-2"), 30, "no object left")
    by_rest = asyncio.create_task(stack.api.start("tiny-3", runtime="tiny", priority=5))
    mine = asyncio.create_task(pods.start(pod, "tiny-4", parameters={"finish_seconds": 0.5}))
    await stack.recorder.until(lambda: of_call(stack, "tiny-3") and of_call(stack, "tiny-4"), 30, "both wait")
    await pods.ask(pod, "close", session=first)
    done, _ = await asyncio.wait((by_rest, mine), return_when=asyncio.FIRST_COMPLETED)
    assert done == {mine}
    assert (await by_rest).status == 201


async def test_a_caller_who_hangs_up_leaves_nothing(stack: Stack, pods: Pods) -> None:
    [pod] = pods.names("tiny")
    building = asyncio.create_task(pods.start(pod, "gone-1", parameters=SLOW))
    body = await stack.recorder.until(lambda: (of_call(stack, "gone-1") or [None])[0], 30, "the object")
    await stack.until_phase(events.name(body), "Scheduled")
    waiting = asyncio.create_task(pods.start(pod, "gone-2"))
    await stack.recorder.until(lambda: of_call(stack, "gone-2"), 30, "the object that waits")
    waiting.cancel()
    await stack.recorder.until(lambda: not of_call(stack, "gone-2"), 30, "withdrawn")
    building.cancel()
    status = await stack.until_ended(events.name(body))
    assert (status["reason"], status["message"]) == ("CloseRequested", "the caller who started it went away")


async def test_a_call_that_has_another_session_started_beside_it(stack: Stack, pods: Pods) -> None:
    started = await stack.api.start("first", runtime="chain", parameters={"then": "second", "finish_seconds": 1})
    body = await stack.recorder.until(lambda: (of_call(stack, "second") or [None])[0], 30, "the second session")
    assert (await stack.until_ended(events.name(body)))["reason"] == "Finished"
    assert (await stack.until_ended(started.session_id))["reason"] == "Finished"
    pods_of = {
        events.status(stack.recorder.session(name) or {})["podName"] for name in (started.session_id, events.name(body))
    }
    assert len(pods_of) == 1


async def test_what_the_agent_file_raises_comes_back(stack: Stack, pods: Pods) -> None:
    pod = pods.names()[0]
    assert await pods.start(pod, "bad-1", parameters={"build_error": "no voice"}) == {
        "error": "ValueError",
        "text": "no voice",
    }
    [body] = of_call(stack, "bad-1")
    assert (await stack.until_ended(events.name(body)))["reason"] == "AgentError"
    assert (await pods.start(pod, "bad-2", parameters={"nobody": 1}))["error"] == "InvalidParameters"
    assert (await pods.start(pod, "Bad Call"))["error"] == "InvalidParameters"
    assert of_call(stack, "bad-2") == []


async def test_the_agent_file_s_limit_that_does_not_hold_is_told(stack: Stack, pods: Pods) -> None:
    logs = {pod: stack.node.log_file(pod).read_text() for pod in (*pods.names(), *pods.names("few"))}
    told = {pod: text.count("spec.limits.maxSessionsPerCall: 7") for pod, text in logs.items()}
    assert told == {pod: 1 if pod in pods.names() else 0 for pod in logs}


async def test_an_outage_in_the_middle_of_a_start(stack: Stack, pods: Pods, control_plane: ControlPlane) -> None:
    pod = pods.names()[0]
    stays = (await pods.start(pod, "stays"))["session"]
    control_plane.api_server.suspend()
    try:
        starting = asyncio.create_task(pods.start(pod, "during"))
        await asyncio.sleep(OUTAGE_SECONDS)
        assert not starting.done()
        assert (await pods.ask(pod, "sessions"))["sessions"] == [stays]
    finally:
        control_plane.api_server.resume()
    await control_plane.wait_ready()
    name = (await starting)["session"]
    assert [events.name(body) for body in of_call(stack, "during")] == [name]
    body = stack.recorder.session(stays)
    assert body is not None
    assert events.phase(body) == "Running"


async def test_a_pod_killed_in_the_middle_of_a_start(stack: Stack, pods: Pods) -> None:
    """The session ends with its reason at once: no other pod may run it."""
    pod = pods.names()[0]
    starting = asyncio.create_task(pods.start(pod, "killed", parameters=SLOW))
    body = await stack.recorder.until(lambda: (of_call(stack, "killed") or [None])[0], 30, "the object")
    await stack.until_phase(events.name(body), "Scheduled")
    os.kill(stack.node.pid(pod), signal.SIGKILL)
    status = await stack.until_ended(events.name(body))
    assert (status["phase"], status["reason"]) == ("Failed", "PodLost")
    assert status["message"] == f"pod {pod}, which alone may run it, has ended"
    await asyncio.gather(starting, return_exceptions=True)
    await stack.until_pods_ready(2)


async def test_a_program_without_a_handler_of_its_own_finishes_its_calls_before_it_ends(
    stack: Stack, pods: Pods
) -> None:
    pod = pods.names()[0]
    process = stack.node.pid(pod)
    name = (await pods.start(pod, "last", parameters={"finish_seconds": 6}))["session"]
    await stack.client.delete(PODS, stack.namespace, pod)
    await stack.recorder.until(lambda: unready(stack, pod), 30, "the pod, told to leave, is no longer ready")
    refused = await pods.start(pod, "too-late")
    assert (refused["error"], refused["text"]) == ("StartAbandoned", "the pod is leaving")
    assert (await stack.until_ended(name))["reason"] == "Finished"
    await stack.recorder.until(lambda: all(events.name(item) != pod for item in stack.recorder.pods()), 30, "pod gone")
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    await stack.until_pods_ready(2)


async def test_a_drain_by_the_program_itself(stack: Stack, pods: Pods) -> None:
    [pod] = pods.names("tiny")
    name = (await pods.start(pod, "drained"))["session"]
    assert await pods.ask(pod, "drain", timeout=1) == {"finished": False}
    assert (await stack.until_ended(name))["reason"] == "Drained"
    await stack.client.delete(PODS, stack.namespace, pod)
    await stack.recorder.until(lambda: pods.names("tiny") not in ([], [pod]), 30, "a new pod")
