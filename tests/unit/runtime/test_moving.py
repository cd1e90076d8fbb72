"""What a leaving pod gives back at its drain deadline, for another to go on with; what it tells its agents before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fakes.apiserver.faults import refusal
from tests.unit.runtime.agents import OwnAgent, until_cancelled
from tests.unit.runtime.cluster import POD, Cluster, cluster
from tests.unit.runtime.stories import story

from greenroom_core.model import meta

DRAIN_SECONDS = 100.0
MAY_MOVE = {"restartPolicy": "OnPodLoss"}


class Told(OwnAgent):
    """Takes down, with the time, what its host tells it."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.told: list[tuple[Any, ...]] = []
        self.goodbyes: list[str] = []
        self.closed_at = 0.0

    def host_leaves(self, seconds_left: float | None, moves: bool) -> None:
        self.told.append((round(seconds_left, 1) if seconds_left is not None else None, moves))

    async def say_goodbye(self, reason: str) -> None:
        self.goodbyes.append(reason)

    async def close(self) -> None:
        await super().close()
        self.closed_at = self._clock.boot()


async def running(here: Cluster, name: str = "s1", spec: Any = None, **effective: Any) -> None:
    here.file.make = Told
    await here.create(name, **(spec or {}))
    await here.bind(name, **effective)
    await here.until(name, lambda session: session.status.phase == "Running")


async def drained(here: Cluster) -> None:
    here.pod.drain()
    assert here.running is not None
    await here.running


@story
async def test_a_session_that_may_run_again_is_given_back_when_its_agent_has_left():
    async with cluster(drain_timeout_seconds=DRAIN_SECONDS) as here:
        await running(here, **MAY_MOVE)
        before = await here.joined()
        writes = here.writes
        here.agent.close_seconds = 0.5
        begun = here.clock.boot()
        draining = asyncio.create_task(drained(here))

        back = await here.until("s1", lambda session: session.status.phase == "Pending")

        assert here.clock.boot() - begun == pytest.approx(DRAIN_SECONDS + 0.5, abs=0.1)
        assert here.agent.closed_at > 0, "never two agents"
        assert here.agent.goodbyes == ["Returned"]
        status = back.status
        assert (status.pod_name, status.pod_uid, status.started_at, status.joined_at) == (None, None, None, None)
        assert (status.reason, status.ended_at, status.attempt) == (None, None, 1)
        conditions = {found.type: (found.status, found.reason) for found in status.conditions}
        assert conditions == {
            "Scheduled": ("False", "Returned"),
            "Ready": ("False", "Returned"),
            "Joined": ("False", "Returned"),
        }
        last = status.last_attempt
        assert last is not None
        assert (last.attempt, last.pod_name, last.reason, last.losses) == (1, POD, "Returned", 0)
        assert (last.started_at, last.joined_at) == (before.status.started_at, before.status.joined_at)
        assert last.first_started_at == before.status.started_at
        assert status.metrics is not None, "the attempt's last figures come with it"
        await draining
        assert here.writes - writes == 1
        assert not here.pod.finished


@story
@pytest.mark.parametrize(
    ("spec", "effective", "outcome"),
    [
        ({}, {"restartPolicy": "Never"}, ("Closed", "Drained")),
        ({"podName": POD}, MAY_MOVE, ("Closed", "Drained")),
        ({}, MAY_MOVE, ("Pending", None)),
    ],
    ids=["may not run again", "may run nowhere else", "may"],
)
async def test_only_what_another_pod_may_run_is_given_back(spec, effective, outcome):
    async with cluster(drain_timeout_seconds=DRAIN_SECONDS) as here:
        await running(here, spec=spec, **effective)
        await drained(here)
        status = (await here.get()).status
        assert (status.phase, status.reason) == outcome
        moves = outcome[0] == "Pending"
        assert here.agent.told == [(DRAIN_SECONDS, moves)]
        assert here.agent.goodbyes == ["Returned" if moves else "Drained"]


@story
@pytest.mark.parametrize("policy", ["Never", "OnPodLoss"])
async def test_a_session_whose_agent_is_not_built_at_the_deadline_is_given_back_without_a_record(policy):
    async with cluster(drain_timeout_seconds=5) as here:
        here.file.build = lambda: asyncio.sleep(30)
        await here.create()
        await here.bind(restartPolicy=policy)
        await here.when(lambda: here.file.created != [])
        await drained(here)
        status = (await here.get()).status
        assert (status.phase, status.pod_uid, status.last_attempt) == ("Pending", None, None)


@story
async def test_an_agent_that_will_not_leave_keeps_its_session_from_being_given_back():
    released = asyncio.Event()

    async def deaf(agent: OwnAgent) -> None:
        agent.join()
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async with cluster(drain_timeout_seconds=DRAIN_SECONDS) as here:
        here.file.call = deaf
        await running(here, **MAY_MOVE)
        await drained(here)
        status = (await here.get()).status
        assert (status.phase, status.reason) == ("Closed", "Drained"), "else there were two agents"
        assert "was given up" in (status.message or "")
        released.set()


@story
async def test_a_goodbye_that_is_cut_off_keeps_no_session_from_being_given_back():
    class Talkative(Told):
        async def say_goodbye(self, reason: str) -> None:
            await asyncio.sleep(1e6)

    async with cluster(drain_timeout_seconds=DRAIN_SECONDS) as here:
        here.file.make = Talkative
        await here.create()
        await here.bind(**MAY_MOVE)
        await here.joined()
        await drained(here)
        assert (await here.get()).status.phase == "Pending"


@story
@pytest.mark.parametrize(("policy", "phase"), [("Never", "Closed"), ("OnPodLoss", "Pending")])
async def test_an_agent_that_is_built_at_the_last_moment_and_slow_to_close(policy, phase):
    """It has begun to leave, which only a session that may run again comes back from."""

    async def build() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            here.file.make = Slow

    class Slow(Told):
        async def close(self) -> None:
            await asyncio.sleep(3)

    async with cluster(drain_timeout_seconds=5) as here:
        here.file.build = build
        await here.create()
        await here.bind(restartPolicy=policy)
        await here.when(lambda: here.file.created != [])
        draining = asyncio.create_task(drained(here))
        await here.until("s1", lambda session: session.status.phase == "Closing")
        await draining
        assert (await here.get()).status.phase == phase


@story
async def test_an_end_that_is_asked_for_during_the_goodbye_is_an_end():
    async with cluster(drain_timeout_seconds=DRAIN_SECONDS) as here:
        talking = asyncio.Event()

        class Slow(Told):
            async def say_goodbye(self, reason: str) -> None:
                talking.set()
                await asyncio.sleep(2)

        here.file.make = Slow
        await here.create()
        await here.bind(**MAY_MOVE)
        await here.joined()
        draining = asyncio.create_task(drained(here))
        await talking.wait()
        await here.annotate("s1", close_requested="yes")
        await draining
        assert (await here.get()).ended


@story
@pytest.mark.parametrize(
    "fault", [{"drop_reply": True}, {"drop_request": True}, {"answer": refusal(500, "InternalError")}]
)
async def test_giving_back_survives_a_fault(fault):
    async with cluster(drain_timeout_seconds=DRAIN_SECONDS) as here:
        await running(here, **MAY_MOVE)
        await here.joined()
        here.script.add(lambda request: request.method == "PATCH", 2, **fault)
        await drained(here)
        status = (await here.get()).status
        assert (status.phase, status.pod_uid) == ("Pending", None)
        assert status.last_attempt is not None


@story
async def test_a_moved_session_that_comes_back_is_another_attempt_with_the_same_parameters():
    """The pod stays, as one of code that stops its launcher and starts it again may."""
    async with cluster(drain_timeout_seconds=DRAIN_SECONDS) as here:
        await here.create(parameters={"topic": "weather"})
        await here.bind(**MAY_MOVE)
        first = await here.joined()
        await here.patch(
            "s1",
            phase="Pending",
            podName=None,
            podUID=None,
            startedAt=None,
            joinedAt=None,
            lastAttempt={
                "attempt": 1,
                "reason": "PodLost",
                "endedAt": "2030-01-01T00:00:00Z",
                "firstStartedAt": meta.plain(first.status)["startedAt"],
            },
        )
        await here.when(lambda: here.agent.closes == 1)
        await here.bind(attempt=2, **MAY_MOVE)
        await here.until("s1", lambda session: session.status.joined_at is not None and session.status.attempt == 2)
        assert here.file.created == [{"topic": "weather"}, {"topic": "weather"}]
        assert (await here.get()).status.last_attempt is not None, "it stays to be read"


@story
async def test_the_longest_duration_counts_from_the_first_attempt():
    async with cluster() as here:
        await here.create()
        begun = here.clock.wall()
        await asyncio.sleep(30)
        await here.patch("s1", lastAttempt=record_of(begun))
        await here.bind(attempt=2, limits={"maxDurationSeconds": 100}, **MAY_MOVE)
        ended = await here.ended()
        assert ended.status.reason == "MaxDuration"
        assert (ended.status.ended_at - begun).total_seconds() == pytest.approx(100, abs=0.5)


def record_of(first_started_at: Any) -> dict[str, Any]:
    at = first_started_at.isoformat()
    return {"attempt": 1, "podName": "p", "reason": "PodLost", "endedAt": at, "firstStartedAt": at, "losses": 1}


# --- the notice ---


@story
async def test_at_the_start_of_a_drain_each_agent_is_told_how_long_it_has():
    async with cluster(slots=3, drain_timeout_seconds=DRAIN_SECONDS) as here:
        await running(here, "s1", **MAY_MOVE)
        await running(here, "s2")
        here.pod.drain()
        here.pod.drain()
        assert [agent.told for agent in here.file.agents] == [[(DRAIN_SECONDS, True)], [(DRAIN_SECONDS, False)]]


@story
async def test_less_time_is_told_again_and_none_at_all_is_not():
    async with cluster(drain_timeout_seconds=DRAIN_SECONDS) as here:
        await running(here)
        here.pod.drain()
        here.pod.drain(20.0)
        here.pod.drain(60.0)
        here.pod.drain(0.0)
        assert here.agent.told == [(DRAIN_SECONDS, False), (20.0, False)]


@story
async def test_an_agent_that_is_being_built_is_told_what_is_left_then():
    async with cluster(drain_timeout_seconds=DRAIN_SECONDS) as here:
        here.file.make = Told
        here.file.build = lambda: asyncio.sleep(20)
        await here.create()
        await here.bind()
        await here.when(lambda: here.file.created != [])
        here.pod.drain()
        await here.joined()
        assert here.agent.told == [(pytest.approx(80, abs=0.2), False)]


@story
async def test_an_agent_that_winds_up_at_the_notice_ends_as_finished():
    async with cluster(drain_timeout_seconds=DRAIN_SECONDS) as here:
        wound_up = asyncio.Event()

        class Busy(Told):
            def host_leaves(self, seconds_left: float | None, moves: bool) -> None:
                asyncio.get_running_loop().call_later(3, wound_up.set)

        async def call(agent: Busy) -> None:
            agent.join()
            await wound_up.wait()

        here.file.make, here.file.call = Busy, call
        await here.create()
        await here.bind(**MAY_MOVE)
        await here.joined()
        begun = here.clock.boot()
        await drained(here)
        assert here.clock.boot() - begun == pytest.approx(3, abs=0.2)
        assert ((await here.get()).status.phase, (await here.get()).status.reason) == ("Closed", "Finished")


@story
async def test_an_agent_that_fails_at_the_notice_goes_on(caplog):
    async with cluster(drain_timeout_seconds=DRAIN_SECONDS) as here:

        class Bad(Told):
            def host_leaves(self, seconds_left: float | None, moves: bool) -> None:
                raise RuntimeError("no")

        here.file.make, here.file.call = Bad, until_cancelled
        await here.create()
        await here.bind()
        await here.joined()
        here.pod.drain()
        await asyncio.sleep(10)
        assert (await here.get()).status.phase == "Running"
        assert here.agent.closes == 0
    assert "could not be told" in caplog.text
