"""In a burst, writes that somebody waits for go first; the others wait a moment, not for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.fakes.apiserver import Script
from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import NAMESPACE, Stage, stage

from greenroom.runtime.precedence import LONGEST_WAIT_SECONDS, Precedence, may_wait
from greenroom_core.kube.client import Selection
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model.phases import Phase
from greenroom_core.model.session import AgentSession


@pytest.mark.parametrize(
    ("fields", "waits"),
    [
        (("joinedAt", "conditions"), True),
        (("phase", "startedAt", "conditions"), False),
        (("joinedAt", "conditions", "answer"), False),
        (("metrics", "metricsGeneratedAt"), False),
        (("conditions", "podName", "podUID", "phase"), False),
    ],
)
def test_only_a_join_may_wait(fields: tuple[str, ...], waits: bool) -> None:
    assert may_wait(fields) is waits


def test_urgent_ones_are_counted() -> None:
    precedence = Precedence()
    with precedence.urgent():
        with precedence.urgent():
            pass
        assert precedence.taken
    assert not precedence.taken


async def joined(here: Stage, names: list[str]) -> None:
    for name in names:
        await here.until(name, lambda s: s.status.joined_at is not None)


def test_a_burst_is_shown_running_before_it_is_shown_joined_and_both_are_written() -> None:
    async def story() -> tuple[list[str], int]:
        async with stage() as here:
            slow = Script(here.clock)
            slow.add(lambda request: request.method == "PATCH", 1000, delay_before_seconds=0.2)
            here.pod_faults = slow  # so that the writes of a burst overlap
            here.start_operator()
            await here.create_runtime(sessionsPerPod=50)
            await here.when(lambda: any(pod.ready for pod in here.pods.values()))
            seen: list[str] = []

            def note(change: Change[AgentSession]) -> None:
                if change.new is not None and change.new.status.started_at is not None:
                    seen.append("joined" if change.new.status.joined_at is not None else "running")

            feed: Feed[AgentSession] = Feed(here.client, SESSIONS, Selection(NAMESPACE), note)
            here.start(feed.run(), "watcher")
            await feed.synced.wait()
            names = [f"s{number}" for number in range(20)]
            for name in names:
                await here.create_session(name, call=name)
            await joined(here, names)
            for name in names:
                status = (await here.get(name)).status
                assert status.joined_at is not None
                assert status.started_at is not None
                assert status.joined_at - status.started_at < timedelta(seconds=0.1), "of the join, not of the write"
            written = sum(
                count
                for (_, verb, what, status), count in here.server.answered.items()
                if (verb, what) == ("PATCH", "agentsessions/status") and status < 300
            )
            return seen, written

    seen, written = run_virtual(story())
    assert seen == ["running"] * 20 + ["joined"] * 20
    assert written == 20 * 3


def test_nobody_waits_for_ever() -> None:
    async def story() -> float:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime()
            await here.when(lambda: any(pod.ready for pod in here.pods.values()))
            (pod,) = here.pods.values()
            with pod._residents.precedence.urgent():
                await here.create_session("s1")
                session = await here.until("s1", lambda s: s.status.phase is Phase.RUNNING)
                begun = here.clock.boot()
                await joined(here, [session.metadata.name])
                return here.clock.boot() - begun

    assert LONGEST_WAIT_SECONDS - 0.1 < run_virtual(story()) < LONGEST_WAIT_SECONDS + 0.2
