"""What an agent keeps for its session's next attempt: when it is written, who gets it, and what it never costs."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from tests.fakes.apiserver.faults import refusal
from tests.fakes.checkpoints import MemoryCheckpoints
from tests.unit.runtime.agents import KeepingAgent, until_cancelled
from tests.unit.runtime.cluster import Cluster, cluster
from tests.unit.runtime.stories import story

from greenroom.checkpoints import Checkpoint
from greenroom_core.model.reasons import EndReason

MAY_MOVE = {"restartPolicy": "OnPodLoss"}
LEFT = {"state": '{"said":"one"}', "attempt": 1}


async def running(here: Cluster, name: str = "s1", attempt: int = 1, left: Any = None, **effective: Any) -> None:
    here.file.make = KeepingAgent
    await here.create(name)
    if left is not None:
        await here.patch(name, checkpoint=left)
    await here.bind(name, attempt=attempt, **effective)
    await here.joined(name)


async def drained(here: Cluster) -> None:
    here.pod.drain()
    assert here.running is not None
    await here.running


def handed_out(here: Cluster) -> list[Any]:
    """What `create_agent` and `join_call` of each attempt were given."""
    pairs = zip(
        here.file.created, (kwargs for _, _, kwargs in here.file.joined[-len(here.file.created) :]), strict=True
    )
    return [tuple(kwargs.get("checkpoint", "nothing") for kwargs in pair) for pair in pairs]


def store_of(here: Cluster) -> MemoryCheckpoints:
    assert here.launcher.checkpoints is not None
    store = here.launcher.checkpoints.store
    assert isinstance(store, MemoryCheckpoints)
    return store


async def key(here: Cluster, name: str = "s1") -> str:
    return f"default/{(await here.get(name)).metadata.uid}"


# --- by the status ---


@story
async def test_the_latest_goes_out_with_the_give_back_and_costs_no_write():
    async with cluster(drain_timeout_seconds=100) as here:
        await running(here, **MAY_MOVE)
        writes = here.writes
        for number in range(1_000):
            here.agent.checkpoint({"number": number})
        await asyncio.sleep(50)
        assert here.writes == writes
        await drained(here)
        status = (await here.get()).status
        assert (status.phase, status.checkpoint) == ("Pending", Checkpoint(state='{"number":999}', attempt=1))
        assert (here.writes, here.refused) == (writes + 1, 0)


@story
async def test_what_is_kept_on_the_way_out_counts():
    async def call(agent: KeepingAgent) -> None:
        try:
            await until_cancelled(agent)
        finally:
            agent.checkpoint({"last": "words"})

    async with cluster(drain_timeout_seconds=100) as here:
        here.file.call = call
        await running(here, **MAY_MOVE)
        here.agent.checkpoint({"last": "but one"})
        await drained(here)
        assert (await here.get()).status.checkpoint == Checkpoint(state='{"last":"words"}', attempt=1)


@story
async def test_both_functions_of_the_next_attempt_get_it():
    async with cluster() as here:
        await running(here, attempt=2, left=LEFT, **MAY_MOVE)
        assert handed_out(here) == [({"said": "one"}, {"said": "one"})]


@story
async def test_without_one_nothing_is_handed_out():
    async with cluster() as here:
        await running(here, **MAY_MOVE)
        assert handed_out(here) == [("nothing", "nothing")]


@story
async def test_one_that_is_no_object_is_left_out_and_its_text_not_logged(caplog: pytest.LogCaptureFixture):
    async with cluster() as here:
        await running(here, attempt=2, left={"state": "my card number", "attempt": 1}, **MAY_MOVE)
        assert handed_out(here) == [("nothing", "nothing")]
    assert "session s1: its checkpoint is no JSON object" in caplog.text
    assert "card number" not in caplog.text


@story
async def test_one_that_keeps_nothing_new_leaves_what_it_got():
    async with cluster(drain_timeout_seconds=100) as here:
        await running(here, attempt=2, left=LEFT, **MAY_MOVE)
        await drained(here)
        assert (await here.get()).status.checkpoint == Checkpoint(**LEFT)


@story
async def test_the_end_takes_it_away():
    async with cluster() as here:
        await running(here, attempt=2, left=LEFT, **MAY_MOVE)
        writes = here.writes
        here.agent.checkpoint({"said": "two"})
        await here.annotate("s1", close_requested="yes")
        ended = await here.ended()
        assert (ended.status.checkpoint, here.writes) == (None, writes + 1)


@story
async def test_a_session_that_ends_drained_shows_none():
    async with cluster(drain_timeout_seconds=100) as here:
        await running(here)
        here.agent.checkpoint({"said": "two"})
        await drained(here)
        ended = await here.get()
        assert (ended.status.reason, ended.status.checkpoint) == ("Drained", None)


@story
async def test_no_session_may_bring_its_own():
    async with cluster() as here:
        await here.create(parameters={"checkpoint": {"signed_in": True}})
        await here.bind()
        ended = await here.ended()
        assert (ended.status.phase, ended.status.reason) == ("Failed", "InvalidSpec")
        assert ended.status.message == "no parameter may be called checkpoint: it is what the agent itself has kept"
        assert here.file.created == []


# --- by a store ---


@story
async def test_the_store_has_the_latest_within_five_seconds_and_loses_it_with_the_end():
    async with cluster(checkpoints=MemoryCheckpoints()) as here:
        store = store_of(here)
        await running(here, **MAY_MOVE)
        for number in range(60):
            here.agent.checkpoint({"number": number})
            await asyncio.sleep(0.1)
        assert [checkpoint.state for _, checkpoint in store.saves] == ['{"number":0}', '{"number":49}']
        assert store.held == {await key(here): Checkpoint(state='{"number":49}', attempt=1)}
        await here.annotate("s1", close_requested="yes")
        await here.ended()
        await here.when(lambda: store.held == {})
    assert store.asked[-1] == "close"


@story
async def test_what_was_saved_later_than_the_status_says_is_handed_out():
    store = MemoryCheckpoints()
    async with cluster(checkpoints=store) as here:
        await here.create()
        store.held[await key(here)] = Checkpoint(state='{"said":"two"}', attempt=2)
        await here.patch("s1", checkpoint=LEFT)
        await here.bind(attempt=3, **MAY_MOVE)
        await here.joined()
        assert handed_out(here) == [({"said": "two"}, {"said": "two"})]
        await drained(here)
        assert (await here.get()).status.checkpoint == Checkpoint(state='{"said":"two"}', attempt=2)
        assert store.held != {}, "the session goes on"


@story
async def test_of_the_same_attempt_the_one_in_the_status_is_the_later():
    store = MemoryCheckpoints()
    async with cluster(checkpoints=store) as here:
        await here.create()
        store.held[await key(here)] = Checkpoint(state='{"said":"half"}', attempt=1)
        await here.patch("s1", checkpoint=LEFT)
        await here.bind(attempt=3, **MAY_MOVE)
        await here.joined()
        assert handed_out(here) == [({"said": "one"}, {"said": "one"})]


@pytest.mark.parametrize(("attempt", "left"), [(1, None), (2, LEFT)])
@story
async def test_the_store_is_not_asked_for_what_it_cannot_have(attempt: int, left: Any):
    async with cluster(checkpoints=MemoryCheckpoints()) as here:
        await running(here, attempt=attempt, left=left, **MAY_MOVE)
        assert store_of(here).asked == []


@story
async def test_of_a_session_without_a_next_attempt_nothing_is_saved():
    async with cluster(checkpoints=MemoryCheckpoints()) as here:
        await running(here, restartPolicy="Never")
        here.agent.checkpoint({"said": "one"})
        await asyncio.sleep(20)
        assert store_of(here).asked == []


@story
async def test_a_silent_store_costs_a_start_two_seconds_and_an_end_nothing():
    store = MemoryCheckpoints()
    store.silent = True
    async with cluster(checkpoints=store) as here:
        here.file.make = KeepingAgent
        await here.create()
        begun = here.clock.boot()
        await here.bind(attempt=2, **MAY_MOVE)
        await here.joined()
        assert here.clock.boot() - begun == pytest.approx(2.0, abs=0.2)
        assert handed_out(here) == [("nothing", "nothing")]
        here.agent.checkpoint({"said": "two"})
        await asyncio.sleep(60)
        assert here.agent.closes == 0
        asked = here.clock.boot()
        await here.annotate("s1", close_requested="yes")
        await here.ended()
        assert here.clock.boot() - asked < 0.1
        assert here.pod.sessions == 0


@story
async def test_a_session_that_is_closed_while_the_store_is_asked_is_not_built():
    store = MemoryCheckpoints()
    store.silent = True
    async with cluster(checkpoints=store) as here:
        await here.create()
        await here.bind(attempt=2, **MAY_MOVE)
        await here.when(lambda: here.pod.sessions == 1)
        await here.annotate("s1", close_requested="yes")
        ended = await here.ended()
        assert (ended.status.reason, here.file.created) == ("CloseRequested", [])


@story
async def test_an_attempt_that_was_taken_away_forgets_nothing_of_the_next():
    async with cluster(checkpoints=MemoryCheckpoints()) as here:
        store = store_of(here)
        await running(here, **MAY_MOVE)
        here.agent.checkpoint({"said": "one"})
        await here.when(lambda: store.held != {})
        await here.patch("s1", podName="pod-2", podUID="uid-of-pod-2", attempt=2)
        await here.when(lambda: here.pod.sessions == 0)
        await asyncio.sleep(10)
        assert list(store.held.values()) == [Checkpoint(state='{"said":"one"}', attempt=1)]
        assert "forget" not in store.asked


@story
async def test_what_was_kept_is_forgotten_only_when_the_end_is_written():
    async with cluster(checkpoints=MemoryCheckpoints()) as here:
        store = store_of(here)
        await running(here, **MAY_MOVE)
        here.agent.checkpoint({"said": "one"})
        await here.when(lambda: store.held != {})
        here.server.stop()
        here.pod.attempts[0].leave(EndReason.IDLE)
        await asyncio.sleep(30)
        assert store.held != {}, "this pod may yet be lost before it can say that it is over"
        here.server.start()
        await here.ended()
        await here.when(lambda: store.held == {})


# --- who may read it ---


@story
async def test_it_stands_in_no_log(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        async with cluster(drain_timeout_seconds=10, checkpoints=MemoryCheckpoints()) as here:
            await running(here, attempt=2, left={"state": '{"said":"card 4711"}', "attempt": 1}, **MAY_MOVE)
            here.agent.checkpoint({"said": "card 4712"})
            here.script.add(
                lambda request: request.verb == "PATCH" and request.path.endswith("/status"),
                answer=refusal(503, "ServiceUnavailable"),
            )
            await drained(here)
            assert (await here.get()).status.checkpoint is not None
    assert "s1" in caplog.text
    assert "card" not in caplog.text


@story
async def test_an_agent_of_another_make_that_tells_rubbish_keeps_nothing(caplog: pytest.LogCaptureFixture):
    class Rubbish(KeepingAgent):
        def on_checkpoint(self, tell: Any) -> None:
            for state in ({"card": 4711}, "ü" * 9_000, None):
                tell(state)

    async with cluster(drain_timeout_seconds=10) as here:
        await running(here, **MAY_MOVE)
        here.file.make = Rubbish
        await here.create("s2")
        await here.bind("s2", **MAY_MOVE)
        await here.joined("s2")
        await drained(here)
        assert (await here.get("s2")).status.checkpoint is None
    assert caplog.text.count("session s2: a checkpoint is passed over") == 3
    assert "4711" not in caplog.text
