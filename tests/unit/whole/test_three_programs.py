"""Whole sessions through operator, API and runtime pod in one process: every transition, exact writes, virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.fakes.apiserver import Script
from tests.fakes.apiserver.faults import refusal
from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import Stage, stage

from greenroom_api.backend import LimitReached, NoSlot, Started, StartRequest
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import RestartPolicy


def session_writes(here: Stage) -> Counter[str]:
    """Writes on AgentSessions that were carried out, by `verb resource`."""
    counted: Counter[str] = Counter()
    for (_, verb, what, status), count in here.server.answered.items():
        if what.startswith("agentsessions") and verb not in ("GET", "LIST") and status < 300:
            counted[f"{verb} {what}"] += count
    return counted


def since(here: Stage, before: Counter[str]) -> dict[str, int]:
    return dict(session_writes(here) - before)


async def ready(here: Stage, pods: int = 1) -> None:
    await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == pods)
    here.agents.created.clear()
    here.agents.agents.clear()


def test_a_session_by_rest_from_start_to_close() -> None:
    async def story() -> None:
        async with stage() as here, here.api() as api:
            here.start_operator()
            await here.create_runtime()
            await ready(here)
            before = session_writes(here)

            started = await api.start(StartRequest(call_id="c1", parameters={"topic": "weather"}))

            assert isinstance(started, Started)
            name = started.session.session_id
            session = await here.until(name, lambda s: s.status.joined_at is not None)
            assert session.status.phase is Phase.RUNNING
            assert here.agents.created == [{"topic": "weather"}]
            assert [c.type for c in session.status.conditions] == ["Scheduled", "Ready", "Joined"]

            assert await api.request_close("c1", name)
            closed = await here.until(name, lambda s: s.ended)

            assert (closed.status.phase, closed.status.reason) == (Phase.CLOSED, EndReason.CLOSE_REQUESTED)
            assert here.agents.agents[0].closes == 1
            # create, bind, Running, Joined, the close request, the end with final metrics
            assert since(here, before) == {
                "POST agentsessions": 1,
                "PATCH agentsessions": 1,
                "PATCH agentsessions/status": 4,
            }

    run_virtual(story())


def test_a_session_by_kubectl_that_ends_by_itself_costs_six_writes_and_two_to_delete() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime()
            await ready(here)
            done = asyncio.Event()

            async def talk(agent: object) -> None:
                agent.join()  # type: ignore[attr-defined]
                await done.wait()

            here.agents.call = talk
            await here.create_session("warm", call="warm")
            await here.until("warm", lambda s: s.status.joined_at is not None)
            before = session_writes(here)

            await here.create_session("s1", ttlSecondsAfterFinished=30)
            await here.until("s1", lambda s: s.status.joined_at is not None)
            done.set()
            ended = await here.until("s1", lambda s: s.ended)
            assert ended.status.reason is EndReason.FINISHED
            await here.until("warm", lambda s: s.ended)
            mine = since(here, before)
            assert mine == {"POST agentsessions": 1, "PATCH agentsessions": 1, "PATCH agentsessions/status": 4 + 1}

            before = session_writes(here)
            await here.gone("s1")
            assert since(here, before) == {"DELETE agentsessions": 1, "PATCH agentsessions": 1}

    run_virtual(story())


def test_nothing_is_written_at_rest_but_the_lease() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime()
            await ready(here)
            await here.create_session("s1")
            await here.until("s1", lambda s: s.status.joined_at is not None)
            await here.clock.sleep(120)
            before = Counter(here.server.answered)
            await here.clock.sleep(600)
            written = {
                what for _, verb, what, _ in Counter(here.server.answered) - before if verb not in ("GET", "LIST")
            }
            assert written == {"leases"}

    run_virtual(story())


def test_limits_and_lack_of_slots_are_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "greenroom.operator")

    async def story() -> None:
        async with stage() as here, here.api() as api:
            here.start_operator()
            await here.create_runtime(limits={"maxSessionsPerCall": 1}, sessionsPerPod=1)
            await ready(here)
            first, second = await asyncio.gather(*(api.start(StartRequest(call_id="c1")) for _ in range(2)))
            assert sorted(type(each).__name__ for each in (first, second)) == ["LimitReached", "Started"]
            assert isinstance(await api.start(StartRequest(call_id="c1")), LimitReached)
            assert isinstance(await api.start(StartRequest(call_id="c2")), NoSlot)
            await here.when(lambda: len(here.server.objects("agentsessions")) == 1)

    run_virtual(story())
    assert "refuse: MaxSessionsPerCall: call 'c1' has reached maxSessionsPerCall of 1" in caplog.text
    assert "wait: NoFreeSlot: no ready pod of AgentRuntime 'default' has a free slot" in caplog.text


def test_the_operator_is_killed_at_every_step_and_another_goes_on() -> None:
    async def story(crash_after_seconds: float) -> None:
        async with stage() as here:
            _, first = here.start_operator("first")
            here.start_operator("second")
            await here.create_runtime(limits={"maxSessionsPerCall": 1}, sessionsPerPod=2)
            await ready(here)
            for number in range(6):
                await here.create_session(f"s{number}", call=f"c{number % 3}")
            await here.clock.sleep(crash_after_seconds)
            first.cancel()
            for number in range(6):
                await here.until(f"s{number}", lambda s: s.ended or s.status.joined_at is not None)
            running = Counter(
                body["spec"]["callId"]
                for body in here.server.objects("agentsessions")
                if body["status"]["phase"] == "Running"
            )
            assert set(running.values()) <= {1}
            assert sum(running.values()) == 2  # the third call waited for a slot until its deadline

    for step in range(12):
        run_virtual(story(step * 0.0005))


def test_a_dead_pod_fails_its_sessions_and_moves_those_that_may_run_again() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(sessionsPerPod=2)
            await ready(here)
            await here.create_session("once", call="a")
            await here.create_session("again", call="b", restartPolicy=RestartPolicy.ON_POD_LOSS.value)
            for name in ("once", "again"):
                await here.until(name, lambda s: s.status.joined_at is not None)
            [pod] = here.pods
            await here.kill_pod(pod)
            once = await here.until("once", lambda s: s.ended)
            assert (once.status.phase, once.status.reason) == (Phase.FAILED, EndReason.POD_LOST)
            again = await here.until("again", lambda s: s.status.attempt == 2 and s.status.joined_at is not None)
            assert again.status.phase is Phase.RUNNING
            assert again.status.pod_name != pod

    run_virtual(story())


def test_a_stopped_api_server_ends_no_call() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime()
            await ready(here)
            await here.create_session("s1")
            await here.until("s1", lambda s: s.status.joined_at is not None)
            here.server.stop()
            await here.clock.sleep(300)
            here.server.start()
            assert here.agents.agents[0].closes == 0
            await here.create_session("s2", call="c2")
            await here.until("s2", lambda s: s.status.joined_at is not None)
            assert (await here.get("s1")).status.attempt == 1

    run_virtual(story())


def test_the_runtimes_status_follows_its_sessions() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(sessionsPerPod=3)
            await ready(here)

            def shown() -> tuple[int, int, int]:
                [runtime] = here.server.objects("agentruntimes")
                status = runtime.get("status", {})
                return status.get("sessions", 0), status.get("freeSlots", 0), status.get("pending", 0)

            await here.when(lambda: shown() == (0, 3, 0), 20)
            await here.create_session("s1")
            await here.when(lambda: shown() == (1, 2, 0), 20)
            await here.close("s1")
            await here.when(lambda: shown() == (0, 3, 0), 20)

    run_virtual(story())


def test_sessions_that_waited_for_their_runtime_are_counted_only_by_who_decides_on_them() -> None:
    """Shown as waiting for an AgentRuntime is not admitted: a new leader still holds both to the limit."""

    async def story() -> None:
        async with stage() as here:
            _, first = here.start_operator("first")
            for name in ("s1", "s2"):
                await here.create_session(name)
                await here.until(name, lambda s: [c.reason for c in s.status.conditions] == ["RuntimeNotFound"])
            first.cancel()
            await here.create_runtime(limits={"maxSessionsPerCall": 1})
            here.start_operator("second")
            ends = [await here.until(n, lambda s: s.ended or s.status.joined_at is not None) for n in ("s1", "s2")]
            assert sorted((s.status.phase, s.status.reason) for s in ends) == [
                (Phase.FAILED, EndReason.MAX_SESSIONS_PER_CALL),
                (Phase.RUNNING, None),
            ]

    run_virtual(story())


def test_a_pod_of_which_neither_creation_nor_read_is_answered_is_made_once_all_the_same() -> None:
    async def story() -> None:
        async with stage() as here:
            operator, _ = here.start_operator()
            script = Script(here.clock)
            operator._world.transport.faults = script  # type: ignore[attr-defined]
            script.add(lambda r: r.method == "POST" and r.path.endswith("/pods") and not r.query, drop_reply=True)
            script.add(lambda r: r.method == "GET" and "/pods/" in r.path, 20, answer=refusal(500, "InternalError"))
            await here.create_runtime()
            await ready(here)
            await here.create_session("s1")
            await here.until("s1", lambda s: s.status.joined_at is not None)
            await here.when(lambda: script.used_up)
            assert len(here.server.objects("pods")) == 1

    run_virtual(story())
