"""The Lease and the fence: who may write, when, and what a paused leader can still do."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.apiserver import FakeApiServer, Script
from tests.fakes.apiserver.faults import reads, refusal, writes
from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import NAMESPACE, Stage, stage

from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.feed import Feed
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.kube.transport import Request
from greenroom_core.model import names
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.world import World
from greenroom_operator.cluster.fence import fence
from greenroom_operator.cluster.lease import LEASES, Leadership

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from greenroom_core.model.session import AgentSession


def replica(server: FakeApiServer, identity: str) -> tuple[Leadership, Script]:
    transport = server.transport(identity)
    transport.faults = script = Script(server.clock)
    client = KubeClient(World(server.clock, Random(len(identity)), transport), deadline_seconds=5.0 / 3)
    return Leadership(client, NAMESPACE, "operator", identity, 5.0), script


async def holder(server: FakeApiServer) -> tuple[str, int]:
    client = KubeClient(World(server.clock, Random(0), server.transport("test")))
    lease = await client.get(LEASES, NAMESPACE, "operator")
    return lease.spec.holder_identity, lease.spec.lease_transitions


def test_a_standby_waits_a_whole_lease_after_the_last_renewal_and_counts_the_transition() -> None:
    async def story() -> None:
        server = FakeApiServer()
        first, _ = replica(server, "first")
        second, _ = replica(server, "second")
        await first.acquire()
        assert (first.valid(), first.epoch) == (True, 1)
        keeping = asyncio.create_task(first.keep())
        waiting = asyncio.create_task(second.acquire())
        await server.clock.sleep(60)
        assert not waiting.done()
        keeping.cancel()
        stopped_at = server.clock.boot()
        await waiting
        assert 4.0 <= server.clock.boot() - stopped_at <= 7.5
        assert not first.valid()
        assert (second.valid(), second.epoch) == (True, 2)
        assert await holder(server) == ("second", 2)

    run_virtual(story())


def test_a_lease_given_up_is_taken_at_the_next_try() -> None:
    async def story() -> None:
        server = FakeApiServer()
        first, _ = replica(server, "first")
        second, _ = replica(server, "second")
        await first.acquire()
        await first.release()
        assert not first.valid()
        begun = server.clock.boot()
        await second.acquire()
        assert server.clock.boot() - begun < 0.1

    run_virtual(story())


def test_a_holder_that_cannot_renew_stops_before_anybody_else_may_begin() -> None:
    async def story() -> None:
        server = FakeApiServer()
        first, cut_off = replica(server, "first")
        second, _ = replica(server, "second")
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        waiting = asyncio.create_task(second.acquire())
        await server.clock.sleep(10)
        cut_off.add(times=1_000, drop_request=True)
        while first.valid():
            assert not second.valid()
            await server.clock.sleep(0.01)
        assert not waiting.done()
        await keeping
        await waiting

    run_virtual(story())


def test_a_renewal_whose_answer_was_lost_costs_nothing() -> None:
    async def story() -> None:
        server = FakeApiServer()
        first, script = replica(server, "first")
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        script.add(writes, drop_reply=True)
        await server.clock.sleep(30)
        assert first.valid()
        assert not keeping.done()
        assert await holder(server) == ("first", 1)
        keeping.cancel()

    run_virtual(story())


@pytest.mark.parametrize(("planned", "epoch"), [(False, 1), (True, 2)])
def test_an_epoch_goes_on_only_if_nothing_was_planned_in_it(planned: bool, epoch: int) -> None:
    async def story() -> None:
        server = FakeApiServer()
        first, script = replica(server, "first")
        await first.acquire()
        if planned:
            first.begin()
        script.add(writes, times=1_000, answer=refusal(503))
        await first.keep()
        script.clear()
        await first.acquire()
        assert (first.epoch, await holder(server)) == (epoch, ("first", epoch))

    run_virtual(story())


def test_an_epoch_does_not_go_on_after_another_s_nor_in_another_process() -> None:
    async def story() -> None:
        server = FakeApiServer()
        first, script = replica(server, "first")
        second, _ = replica(server, "second")
        await first.acquire()
        script.add(writes, times=1_000, answer=refusal(503))
        await first.keep()
        await second.acquire()
        await second.release()
        script.clear()
        await first.acquire()
        assert first.epoch == 3
        again, _ = replica(server, "first")
        await again.acquire()
        assert again.epoch == 4

    run_virtual(story())


def test_the_fence_goes_on_until_every_session_has_been_touched() -> None:
    async def story() -> None:
        server = FakeApiServer()
        transport = server.transport("leader")
        transport.faults = script = Script(server.clock)
        client = KubeClient(World(server.clock, Random(1), transport))
        feed: Feed[AgentSession] = Feed(client, SESSIONS, Selection(NAMESPACE), lambda _: None)
        for number in range(3):
            meta = {"apiVersion": names.API_VERSION, "kind": "AgentSession", "metadata": {"name": f"s{number}"}}
            await client.create(SESSIONS, NAMESPACE, {**meta, "spec": {"callId": "c"}})
        await feed.relist()
        script.add(writes, answer=refusal(409, "Conflict"))
        script.add(reads, answer=refusal(403, "Forbidden"))
        script.add(writes, drop_reply=True)
        script.add(writes, answer=refusal(403, "Forbidden"))
        assert await fence(client, feed, 7) == 3
        assert [body["status"]["epoch"] for body in server.objects("agentsessions")] == [7, 7, 7]
        assert {session.status.epoch for session in feed.store} == {7}

    run_virtual(story())


class Pause(Script):
    """Stops at the first bind, as a process paused between its check and its send."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.begun = asyncio.Event()
        self.over = asyncio.Event()

    async def before(self, request: Request) -> Any:
        is_bind = request.body is not None and b'"Scheduled"' in request.body and b"podUID" in request.body
        if request.method == "PATCH" and is_bind:
            self.begun.set()
            await self.over.wait()
        return await super().before(request)


@asynccontextmanager
async def paused_before_binding(here: Stage, name: str) -> AsyncIterator[Callable[[], None]]:
    """A leader that has planned to bind session `name` and stands still just before its send, cut off from all.

    Gives the function that lets it go on, with what it was about to send going out first.
    """
    operator, task = here.start_operator("first")
    await here.create_runtime(limits={"maxSessionsPerCall": 1}, sessionsPerPod=4)
    await here.create_session("warm", call="warm")
    await here.until("warm", lambda s: s.status.joined_at is not None)
    transport: Any = operator._world.transport
    transport.faults = pause = Pause(here.clock)
    await here.create_session(name, call="c1")
    await pause.begun.wait()
    transport.hold()

    def go_on() -> None:
        transport.release()
        pause.over.set()

    yield go_on
    task.cancel()


def test_a_leader_paused_between_check_and_send_breaks_no_limit() -> None:
    """Another takes over, s1 is closed, s2 of the same call runs; then the old write goes out."""

    async def story() -> None:
        async with stage() as here, paused_before_binding(here, "s1") as go_on:
            here.start_operator("second")
            await here.close("s1")
            await here.until("s1", lambda s: s.ended)
            await here.create_session("s2", call="c1")
            await here.until("s2", lambda s: s.status.joined_at is not None)
            go_on()
            await here.clock.sleep(30)
            s1, s2 = await here.get("s1"), await here.get("s2")
            assert (s1.status.phase, s1.status.reason) == (Phase.CLOSED, EndReason.CLOSE_REQUESTED)
            assert s2.status.phase is Phase.RUNNING

    run_virtual(story())


def test_the_fence_makes_an_old_leaders_bind_fail() -> None:
    """Nobody but the fence touches s1: without it the old write would carry the version that still stands."""

    async def story() -> None:
        async with stage() as here, paused_before_binding(here, "s1") as go_on:
            planned_from = (await here.get("s1")).metadata.version
            second, _ = here.start_operator("second")
            await here.when(lambda: second.leading)
            fenced = await here.get("s1")
            assert fenced.status.epoch == 2
            assert fenced.metadata.version > planned_from
            go_on()
            bound = await here.until("s1", lambda s: s.status.joined_at is not None)
            assert (bound.status.epoch, bound.status.attempt) == (2, 1)
            await here.clock.sleep(30)
            assert (await here.get("s1")).status.attempt == 1

    run_virtual(story())
