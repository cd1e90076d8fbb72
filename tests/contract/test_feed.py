"""The feed against a server: it ends up with what is there, through every kind of outage, and claims no more."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.contract.door import WAIT_SECONDS, Door, on_both, on_fake
from tests.contract.meddling import Meddling
from tests.fakes.apiserver import FakeTransport
from tests.fakes.apiserver.faults import any_request, reads, refusal, watches

import greenroom_core.kube.client as client_module
from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import KubeError
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.kube.transport import Answer
from greenroom_core.model.names import LEAVE_CALL
from greenroom_core.model.phases import Phase
from greenroom_core.model.session import AgentSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Observed:
    """A running feed, what it reported, and a way to wait for what it will."""

    def __init__(self, door: Door, *, fields: str = "", **client: Any) -> None:
        self._door = door
        self._stirred = asyncio.Event()
        self.changes: list[Change[AgentSession]] = []
        selection = Selection(door.namespace, fields=fields)
        self.feed = Feed(door.new_client(**client), SESSIONS, selection, self._changed)

    @property
    def names(self) -> set[str]:
        return {item.metadata.name for item in self.feed.store}

    @property
    def left(self) -> list[str]:
        return [change.old.metadata.name for change in self.changes if change.new is None and change.old]

    def versions(self, name: str) -> list[int]:
        """The versions reported of `name`, in order."""
        return [c.new.metadata.version for c in self.changes if c.new and c.new.metadata.name == name]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns as soon as `holds` after a change; fails when it never does."""
        async with self._door.clock.timeout(WAIT_SECONDS):
            while not holds():
                self._stirred.clear()
                await self._stirred.wait()

    async def has(self, *names: str) -> None:
        await self.until(lambda: self.names == set(names))

    def _changed(self, change: Change[AgentSession]) -> None:
        self.changes.append(change)
        self._stirred.set()


@asynccontextmanager
async def observing(door: Door, **options: Any) -> AsyncIterator[Observed]:
    observed = Observed(door, **options)
    task = asyncio.create_task(observed.feed.run())
    try:
        async with door.clock.timeout(WAIT_SECONDS):
            await observed.feed.synced.wait()
        yield observed
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_watching(door: Door, count: int) -> None:
    """Until `count` watches have been asked for."""
    async with door.clock.timeout(WAIT_SECONDS):
        while len(door.transport.watches_seen) < count:
            await door.clock.sleep(0.02)


@on_both
async def test_feed_is_synced_with_all_pages_of_the_list(door: Door) -> None:
    wanted = {f"s-{number}" for number in range(7)}
    for name in wanted:
        await door.create(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "LIST_PAGE_OBJECTS", 3)
        async with observing(door) as observed:
            assert observed.names == wanted
            assert all(change.old is None for change in observed.changes)
    assert all(request.query.get("resourceVersion") != "0" for request in door.transport.seen)


@on_both
async def test_feed_reports_a_life_step_by_step(door: Door) -> None:
    async with observing(door) as observed:
        made = await door.create("s", finalizers=[LEAVE_CALL])
        await door.patch_status("s", phase="Running")
        await door.client.delete(SESSIONS, door.namespace, "s")
        await door.client.merge_patch(SESSIONS, door.namespace, "s", {"metadata": {"finalizers": None}})
        await observed.until(lambda: observed.left == ["s"])
        steps = [(change.new.status.phase, change.new.deleting) for change in observed.changes if change.new]
        assert steps == [(Phase.PENDING, False), (Phase.RUNNING, False), (Phase.RUNNING, True)]
        assert observed.feed.store.get(made.metadata.uid) is None


@on_both
async def test_feed_goes_on_where_a_cut_watch_left_off(door: Door) -> None:
    await door.create("a")
    async with observing(door) as observed:
        await until_watching(door, 1)
        door.transport.cut_watches()
        await door.create("b")
        await door.client.delete(SESSIONS, door.namespace, "a")
        lists = [request for request in door.transport.seen if request.query.get("limit")]
        door.transport.let_watches_through()
        await observed.has("b")
        assert [request for request in door.transport.seen if request.query.get("limit")] == lists


@on_both
async def test_feed_lists_again_after_410_and_finds_what_was_deleted_and_made_in_between(door: Door) -> None:
    for name in ("a", "b", "c"):
        await door.create(name)
    async with observing(door) as observed:
        await until_watching(door, 1)
        door.transport.cut_watches()
        await door.client.delete(SESSIONS, door.namespace, "a")
        await door.create("d")
        await door.patch_status("b", phase="Running")
        old = await door.get("c")
        await door.client.delete(SESSIONS, door.namespace, "c")
        new = await door.create("c")
        door.transport.let_watches_through(from_version="1")
        await observed.until(lambda: observed.names == {"b", "c", "d"} and len(observed.left) == 2)
        assert sorted(observed.left) == ["a", "c"]
        assert observed.feed.store.get(old.metadata.uid) is None
        assert observed.feed.store.named(door.namespace, "c") == new
        running = observed.feed.store.named(door.namespace, "b")
        assert running is not None
        assert running.status.phase is Phase.RUNNING


@on_both
async def test_feed_starts_its_next_watch_from_the_bookmark(door: Door) -> None:
    async with observing(door, fields="status.podName=p1", watch_seconds=4) as observed:
        await until_watching(door, 1)
        other = await door.create("elsewhere")
        await until_watching(door, 2)
        assert observed.names == set()
        again = door.transport.watches_seen[1].query["resourceVersion"]
        assert int(again) >= other.metadata.version


@on_both
async def test_feed_takes_an_answers_body_at_once_and_no_older_event_undoes_it(door: Door) -> None:
    async with observing(door) as observed:
        await until_watching(door, 1)
        door.transport.hold_watches()
        await door.create("s")
        await door.patch_status("s", phase="Scheduled")
        running = await door.patch_status("s", phase="Running")
        observed.feed.learn(running)
        assert observed.feed.store.get(running.metadata.uid) == running
        door.transport.release_watches()
        closing = await door.patch_status("s", phase="Closing")
        await observed.until(lambda: observed.versions("s")[-1] == closing.metadata.version)
        assert observed.versions("s") == [running.metadata.version, closing.metadata.version]


@on_both
async def test_feed_that_learnt_of_an_end_is_not_brought_back_by_older_events(door: Door) -> None:
    async with observing(door) as observed:
        await until_watching(door, 1)
        door.transport.hold_watches()
        made = await door.create("s")
        last = await door.patch_status("s", phase="Running")
        await door.client.delete(SESSIONS, door.namespace, "s")
        observed.feed.learn(last)
        observed.feed.forget(last)
        await door.create("next")
        door.transport.release_watches()
        await observed.has("next")
        assert observed.versions("s") == [last.metadata.version]
        assert observed.left == ["s"]
        assert observed.feed.store.get(made.metadata.uid) is None


@on_both
async def test_session_that_leaves_a_selection_is_reported_as_gone_and_is_still_there_to_read(door: Door) -> None:
    await door.create("s")
    await door.patch_status("s", podName="p1", phase="Running")
    async with observing(door, fields="status.podName=p1") as observed:
        assert observed.names == {"s"}
        moved = await door.patch_status("s", podName="p2", attempt=2)
        await observed.until(lambda: observed.left == ["s"])
        assert observed.names == set()
        assert await door.get("s") == moved
        await door.patch_status("s", podName="p1", attempt=3)
        await observed.has("s")
        back = observed.feed.store.get(moved.metadata.uid)
        assert back is not None
        assert back.status.attempt == 3


@on_both
async def test_relist_while_a_watch_runs_changes_nothing_that_is_known(door: Door) -> None:
    await door.create("a")
    async with observing(door) as observed:
        await door.create("b")
        await observed.feed.relist()
        assert observed.names == {"a", "b"}
        await door.client.delete(SESSIONS, door.namespace, "a")
        await observed.has("b")
        await observed.feed.relist()
        assert observed.left == ["a"]


@on_fake
async def test_list_that_is_refused_or_fails_is_an_outage_and_never_empty(door: Door) -> None:
    assert door.fake is not None
    await door.create("a")
    script = door.script()
    async with observing(door) as observed:
        answers = (refusal(403, "Forbidden"), refusal(401, "Unauthorized"), refusal(500), refusal(429, retry_after=1))
        for answer in answers:
            script.add(reads, 3, answer=answer)
        script.add(reads, 2, drop_request=True)
        door.transport.cut_watches()
        await door.create("b")
        door.fake.compact()
        door.transport.let_watches_through()
        await observed.has("a", "b")
        assert observed.left == []
        assert script.used_up


@on_fake
async def test_feed_is_not_synced_before_its_first_list_has_worked(door: Door) -> None:
    script = door.script()
    script.add(reads, 4, answer=refusal(403, "Forbidden"))
    await door.create("a")
    observed = Observed(door)
    async with asyncio.TaskGroup() as group:
        run = group.create_task(observed.feed.run())
        await door.clock.sleep(0.15)
        assert not observed.feed.synced.is_set()
        await observed.feed.synced.wait()
        assert observed.names == {"a"}
        run.cancel()


@on_fake
async def test_feed_outlives_a_server_that_stops_for_minutes(door: Door) -> None:
    assert door.fake is not None
    await door.create("a")
    async with observing(door) as observed:
        door.fake.stop()
        await door.clock.sleep(180)
        assert observed.names == {"a"}
        assert observed.feed.silence_seconds >= 179
        door.fake.start()
        await door.client.delete(SESSIONS, door.namespace, "a")
        await door.create("b")
        await observed.has("b")
        assert observed.feed.silence_seconds < 1


@on_fake
async def test_connection_that_says_nothing_any_more_is_given_up(door: Door) -> None:
    assert door.fake is not None
    other = Door(door.clock, door.namespace, Meddling(door.fake.transport("other")), fake=door.fake)
    held = door.transport.inner
    assert isinstance(held, FakeTransport)
    async with observing(door) as observed:
        await until_watching(door, 1)
        held.hold()
        await other.create("a")
        assert len(door.transport.watches_seen) == 1
        await door.clock.sleep(200)
        assert len(door.transport.watches_seen) == 2
        assert observed.names == set()
        held.release()
        await observed.has("a")


@on_fake
async def test_watch_that_answers_403_429_or_500_is_tried_again(door: Door) -> None:
    script = door.script()
    for answer in (refusal(403, "Forbidden"), refusal(429, retry_after=1), refusal(500), refusal(503)):
        script.add(watches, 2, answer=answer)
    async with observing(door) as observed:
        await door.create("a")
        await observed.has("a")
        assert script.used_up


@on_fake
async def test_lagging_watch_delivers_everything_in_order_and_late(door: Door) -> None:
    script = door.script()
    async with observing(door) as observed:
        script.lag_seconds = 3.0
        begun = door.clock.boot()
        await door.create("s")
        await door.patch_status("s", phase="Running")
        await observed.until(lambda: len(observed.changes) == 2)
        assert 3.0 <= door.clock.boot() - begun < 3.5


@on_fake
async def test_update_of_the_definition_is_one_short_outage(door: Door) -> None:
    assert door.fake is not None
    await door.create("a")
    async with observing(door) as observed:
        door.fake.crd_updated("agentsessions", seconds=1.0)
        await door.clock.sleep(5)
        await door.create("b")
        await observed.has("a", "b")
        assert observed.left == []


@on_fake
async def test_every_reply_lost_now_and_then_leaves_a_feed_that_converges(door: Door) -> None:
    script = door.script()
    async with observing(door) as observed:
        for number in range(30):
            script.add(any_request, drop_request=number % 3 == 0, delay_before_seconds=0.01 * (number % 5))
        for number in range(20):
            try:
                await door.create(f"s-{number}")
            except KubeError:
                continue
        door.transport.inner.cut_watches()  # type: ignore[attr-defined]
        assert door.fake is not None
        wanted = {body["metadata"]["name"] for body in door.fake.objects("agentsessions")}
        assert 0 < len(wanted) < 20
        await observed.has(*wanted)


@on_fake
async def test_server_that_ends_every_watch_at_once_is_not_asked_in_a_tight_loop(door: Door) -> None:
    script = door.script()
    script.add(watches, 100_000, answer=Answer(200, b""))
    async with observing(door) as observed:
        await door.clock.sleep(60)
        assert len(door.transport.watches_seen) < 120
        script.clear()
        await door.create("a")
        await observed.has("a")


@on_fake
async def test_server_that_forgets_every_version_at_once_is_not_listed_in_a_tight_loop(door: Door) -> None:
    script = door.script()
    await door.create("a")
    script.add(watches, 100_000, answer=refusal(410, "Expired"))
    async with observing(door) as observed:
        await door.clock.sleep(60)
        assert len(door.transport.seen) < 240
        assert observed.left == []
        script.clear()
        await door.create("b")
        await observed.has("a", "b")


@on_fake
async def test_watch_that_lived_and_ended_in_good_order_is_asked_for_again_at_once(door: Door) -> None:
    async with observing(door, watch_seconds=30):
        await door.clock.sleep(95)
        assert len(door.transport.watches_seen) == 4
