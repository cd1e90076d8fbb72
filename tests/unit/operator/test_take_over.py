"""How soon a standby leads and binds: after a Lease that is given up, one that runs out, and a long list."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.fakes.apiserver import FakeApiServer, Script
from tests.fakes.apiserver.faults import refusal, watches
from tests.fakes.virtual_time import run_virtual
from tests.unit.operator.test_leadership import replica
from tests.unit.whole.stage import stage

from greenroom_core.kube.kinds import SESSIONS

if TYPE_CHECKING:
    from greenroom_core.kube.transport import Answer, Request

LIST_SECONDS = 10.0


def test_a_standby_sees_at_once_that_the_lease_is_given_up() -> None:
    async def story() -> None:
        server = FakeApiServer()
        first, _ = replica(server, "first")
        second, _ = replica(server, "second")
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        waiting = asyncio.create_task(second.acquire())
        await server.clock.sleep(20.5)
        keeping.cancel()
        await first.release()
        released_at = server.clock.boot()
        await waiting
        assert server.clock.boot() - released_at < 0.1

    run_virtual(story())


def test_without_the_watch_it_sees_so_at_its_next_look() -> None:
    """As under a Role that allows no watch of Leases: an older one stays in force until it is applied anew."""

    async def story() -> None:
        server = FakeApiServer()
        first, _ = replica(server, "first")
        second, script = replica(server, "second")
        script.add(watches, times=1000, answer=refusal(403, "Forbidden"))
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        waiting = asyncio.create_task(second.acquire())
        await server.clock.sleep(20.5)
        keeping.cancel()
        await first.release()
        released_at = server.clock.boot()
        await waiting
        assert server.clock.boot() - released_at <= 1.2

    run_virtual(story())


def test_a_lease_that_nobody_renews_is_taken_the_moment_it_has_run_out() -> None:
    async def story() -> None:
        server = FakeApiServer()
        first, _ = replica(server, "first")
        second, _ = replica(server, "second")
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        waiting = asyncio.create_task(second.acquire())
        await server.clock.sleep(20.5)
        keeping.cancel()
        stopped_at = server.clock.boot()
        await waiting
        # The last renewal was up to a second before; never before the Lease is over.
        assert 3.9 <= server.clock.boot() - stopped_at <= 5.1
        assert not first.valid()

    run_virtual(story())


def test_a_first_leader_lists_the_sessions_once() -> None:
    async def story() -> None:
        async with stage() as here:
            script = Slow(here.clock)
            operator, _ = here.start_operator("first")
            faults_of(operator, script)
            await here.when(lambda: operator.leading)
            assert script.whole_lists == 1

    run_virtual(story())


def test_a_warm_standby_binds_before_it_has_listed_all_sessions_again() -> None:
    async def story() -> None:
        async with stage() as here:
            _, first = here.start_operator("first")
            await here.create_runtime(sessionsPerPod=4)
            await here.create_session("s1")
            await here.until("s1", lambda s: s.status.joined_at is not None)
            second, _ = here.start_operator("second")
            await here.when(lambda: second.ready)
            faults_of(second, slow := Slow(here.clock))
            slow.list_seconds = LIST_SECONDS
            first.cancel()
            ended_at = here.clock.boot()
            await here.create_session("s2", call="c2")
            bound = await here.until("s2", lambda s: s.bound)
            assert bound.status.epoch == 2
            assert here.clock.boot() - ended_at < LIST_SECONDS / 2
            assert slow.whole_lists == 1, "the list is under way all the same"
            await here.clock.sleep(2 * LIST_SECONDS)
            assert slow.whole_lists == 1
            assert (await here.get("s1")).status.attempt == 1

    run_virtual(story())


def test_a_lone_leader_that_cannot_renew_while_it_fences_gets_further_with_each_try() -> None:
    """The server answers so slowly that no renewal gets through before the fence is up."""

    async def story() -> None:
        async with stage() as here:
            for number in range(64):
                await here.create_session(f"s{number}", call=f"c{number}")
            operator, _ = here.start_operator("first")
            faults_of(operator, slow := SlowFence(here.clock))
            await here.when(lambda: operator.leading, seconds=120)
            assert slow.acquisitions > 1, "it has stood down meanwhile, or this shows nothing"
            assert operator.leadership.epoch == 1

    run_virtual(story())


class SlowFence(Script):
    """Sixteen touches of the fence take a second and a half, and until it is up no renewal is answered."""

    acquisitions = 0

    async def before(self, request: Request) -> Answer | None:
        answer = await super().before(request)
        body = request.body or b""
        if "/leases" in request.path and request.method != "GET":
            if b"acquireTime" not in body:
                return refusal(503)
            self.acquisitions += 1
        elif request.path.endswith("/status") and b'"epoch"' in body:
            await self._clock.sleep(1.5)
        return answer


def faults_of(operator: Any, faults: Slow) -> None:
    operator._world.transport.faults = faults


class Slow(Script):
    """Lists of all sessions take their time."""

    list_seconds = 0.0

    @property
    def whole_lists(self) -> int:
        return sum(map(_lists_sessions, self.seen))

    async def before(self, request: Request) -> Answer | None:
        answer = await super().before(request)
        if _lists_sessions(request):
            await self._clock.sleep(self.list_seconds)
        return answer


def _lists_sessions(request: Request) -> bool:
    whole = request.method == "GET" and request.path.endswith("/" + SESSIONS.plural)
    return whole and "watch" not in request.query and request.query.get("limit") != "1"
