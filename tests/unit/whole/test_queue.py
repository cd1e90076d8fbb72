"""The queue of an AgentRuntime in the whole system: callers take turns, and a full fleet may refuse."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.virtual_time import run_virtual
from tests.invariants import Recorder, Tolerance, assert_holds
from tests.unit.whole.stage import NAMESPACE, Stage, stage
from tests.unit.whole.test_three_programs import session_writes, since

from greenroom.errors import NoFreeSlot
from greenroom_api.backend import Full, Started, StartRequest
from greenroom_core.kube.kinds import RUNTIMES
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_operator.planning.pinned import REFUSAL_SHOWN_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_api.cluster import ClusterBackend

TEAM = "example.com/team"
REFUSE = {"whenFull": "Refuse"}
DECISION = Tolerance(decision_seconds=2.0)


@asynccontextmanager
async def recorded() -> AsyncIterator[tuple[Stage, ClusterBackend]]:
    """A stage with operator and API; at its end all sessions are closed and the invariant checker judges."""
    async with stage() as here:
        recorder = Recorder(here.server.transport("recorder"), NAMESPACE, here.clock)
        here.start(recorder.run(), "recorder")
        await recorder.started.wait()
        here.start_operator()
        async with here.api() as api:
            yield here, api
        for body in here.server.objects("agentsessions"):
            if body["status"]["phase"] not in ("Closed", "Failed"):
                await here.close(body["metadata"]["name"])
        await here.clock.sleep(120)
        here.check()
        assert_holds(recorder.events, DECISION)


async def ready(here: Stage, pods: int = 1) -> None:
    await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == pods)
    await here.clock.sleep(1)


def asked(call: str, team: str = "", **more: Any) -> StartRequest:
    return StartRequest(call_id=call, labels={TEAM: team} if team else {}, respond_async=bool(team), **more)


def test_one_who_queues_thirty_does_not_keep_anothers_first_waiting() -> None:
    async def story() -> None:
        async with recorded() as (here, api):
            await here.create_runtime(sessionsPerPod=1, queue={"fairBy": TEAM}, sessionDefaults=_patient())
            await ready(here)
            crowd = []
            for number in range(30):
                crowd.append(await api.start(asked(f"blue{number}", "blue")))
                await here.clock.sleep(1)  # stamps of creation have whole seconds
            late = await api.start(asked("red", "red"))
            await here.clock.sleep(2)
            places = [await _place(api, start) for start in (*crowd[:3], late)]
            assert places == [None, 2, 3, 1], "red holds nothing and is next; blue's first runs"
            await _close(here, api, "blue0")
            running = await here.until(_name(late), lambda s: s.status.phase is Phase.RUNNING, seconds=30)
            assert running.metadata.labels == {TEAM: "red"}
            assert [await _place(api, start) for start in crowd[1:3]] == [1, 2]

    run_virtual(story())


def test_a_full_fleet_of_fixed_size_refuses_at_once_and_leaves_nothing_of_a_start_by_rest() -> None:
    async def story() -> None:
        async with recorded() as (here, api):
            await here.create_runtime(sessionsPerPod=2, queue=REFUSE)
            await ready(here)
            answers = await asyncio.gather(*(api.start(StartRequest(call_id=f"c{n}")) for n in range(5)))
            begun = here.clock.boot()
            assert sum(isinstance(answer, Full) for answer in answers) == 3
            assert sum(isinstance(answer, Started) for answer in answers) == 2
            assert isinstance(await api.start(StartRequest(call_id="late")), Full)
            assert here.clock.boot() - begun < 1.0
            await here.create_session("by-kubectl", call="k")
            ended = await here.until("by-kubectl", lambda s: s.ended, seconds=2)
            assert (ended.status.phase, ended.status.reason) == (Phase.FAILED, EndReason.NO_CAPACITY)
            await here.clock.sleep(5)
            kept = {body["metadata"]["name"] for body in here.server.objects("agentsessions")}
            assert len(kept) == 3, "two that run, and the one that kubectl made"
            first = next(answer for answer in answers if isinstance(answer, Started))
            await api.request_close(first.session.call_id, first.session.session_id)
            await here.until(first.session.session_id, lambda s: s.ended)
            assert isinstance(await api.start(StartRequest(call_id="again")), Started), "a slot is free again"

    run_virtual(story())


def test_a_refusal_costs_four_writes_by_rest_and_two_by_kubectl() -> None:
    async def story() -> None:
        async with recorded() as (here, api):
            await here.create_runtime(sessionsPerPod=1, queue=REFUSE)
            await ready(here)
            assert isinstance(await api.start(StartRequest(call_id="a")), Started)
            await here.clock.sleep(5)
            before = session_writes(here)
            assert isinstance(await api.start(StartRequest(call_id="b")), Full)
            await here.clock.sleep(60)
            assert since(here, before) == {
                "POST agentsessions": 1,
                "PATCH agentsessions/status": 1,
                "DELETE agentsessions": 1,
                "PATCH agentsessions": 1,
            }
            before = session_writes(here)
            await here.create_session("k")
            await here.clock.sleep(60)
            assert since(here, before) == {"POST agentsessions": 1, "PATCH agentsessions/status": 1}

    run_virtual(story())


def test_a_key_whose_start_was_refused_may_try_again() -> None:
    async def story() -> None:
        async with recorded() as (here, api):
            await here.create_runtime(sessionsPerPod=1, queue=REFUSE)
            await ready(here)
            held = await api.start(StartRequest(call_id="a"))
            assert isinstance(held, Started)
            again = StartRequest(call_id="b", idempotency_key="k")
            assert isinstance(await api.start(again), Full)
            await api.request_close("a", held.session.session_id)
            await here.until(held.session.session_id, lambda s: s.ended)
            assert isinstance(await api.start(again), Started)

    run_virtual(story())


def test_an_autoscaled_fleet_grows_for_those_it_has_room_for_and_refuses_the_rest() -> None:
    async def story() -> None:
        async with recorded() as (here, api):
            scaling = {"minPods": 0, "maxPods": 2, "bufferSessions": 0}
            await here.create_runtime(replicas=None, autoscaling=scaling, sessionsPerPod=2, queue=REFUSE)
            await here.clock.sleep(5)
            answers = await asyncio.gather(*(api.start(StartRequest(call_id=f"c{n}")) for n in range(7)))
            assert sum(isinstance(answer, Started) for answer in answers) == 4
            assert sum(isinstance(answer, Full) for answer in answers) == 3

    run_virtual(story())


def test_those_who_wait_are_refused_once_their_runtime_says_so() -> None:
    async def story() -> None:
        async with recorded() as (here, _):
            await here.create_runtime(sessionsPerPod=1)
            await ready(here)
            for name in ("first", "second"):
                await here.create_session(name, call=name)
                await here.clock.sleep(3)
            assert (await here.get("second")).status.phase is Phase.PENDING
            await here.client.merge_patch(RUNTIMES, NAMESPACE, "default", {"spec": {"queue": REFUSE}})
            ended = await here.until("second", lambda s: s.ended, seconds=5)
            assert ended.status.reason is EndReason.NO_CAPACITY

    run_virtual(story())


def test_a_session_whose_pod_is_lost_waits_for_another_though_new_ones_are_refused() -> None:
    async def story() -> None:
        async with recorded() as (here, api):
            await here.create_runtime(replicas=2, sessionsPerPod=1, queue=REFUSE)
            await ready(here, pods=2)
            for name in ("stays", "moves"):
                await here.create_session(name, call=name, restartPolicy="OnPodLoss")
                await here.until(name, lambda s: s.status.phase is Phase.RUNNING)
            assert isinstance(await api.start(StartRequest(call_id="c")), Full)
            await here.kill_pod((await here.get("moves")).status.pod_name or "")
            moved = await here.until("moves", lambda s: s.status.attempt == 2 and s.status.phase is Phase.RUNNING)
            assert not moved.ended

    run_virtual(story())


def test_a_pods_own_start_is_refused_too() -> None:
    async def story() -> None:
        async with recorded() as (here, _):
            await here.create_runtime(sessionsPerPod=1, queue=REFUSE)
            await ready(here)
            [launcher] = here.launchers.values()
            await launcher.start_session("a")
            begun = here.clock.boot()
            with pytest.raises(NoFreeSlot, match="has no free slot, and AgentRuntime 'default' lets nobody wait"):
                await launcher.start_session("b")
            assert here.clock.boot() - begun < 2.0
            await here.clock.sleep(REFUSAL_SHOWN_SECONDS + 5)
            assert len(here.server.objects("agentsessions")) == 1

    run_virtual(story())


def _patient() -> dict[str, Any]:
    return {"limits": {"startDeadlineSeconds": 600}}


def _name(start: Any) -> str:
    name: str = start.session.session_id
    return name


async def _place(api: ClusterBackend, start: Any) -> int | None:
    session = await api.get(start.session.call_id, start.session.session_id)
    assert session is not None
    found = api.place_in_queue(session)
    return found.position if found is not None else None


async def _close(here: Stage, api: ClusterBackend, call: str) -> None:
    [body] = [item for item in here.server.objects("agentsessions") if item["spec"]["callId"] == call]
    name = body["metadata"]["name"]
    await api.request_close(call, name)
    await here.until(name, lambda s: s.ended)
