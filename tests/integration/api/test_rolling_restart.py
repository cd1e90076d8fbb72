"""A rolling restart of the API, by SIGTERM: clients that retry nothing notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.integration.api.test_process import PATIENCE_SECONDS, Bench, a_bench
from tests.stack.programs import Launchpad

from greenroom_core.model.phases import Phase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.stack.programs import Program

    from greenroom_local.control_plane import ControlPlane

pytestmark = pytest.mark.integration

FLAGS = ("--drain-seconds", "2", "--shutdown-seconds", "20")
PROBE_SECONDS = 0.5
START_SECONDS = 0.7


@dataclass
class Service:
    """What a Service and its endpoints are to clients: replicas by turns, those that were ready when last asked."""

    replicas: list[Program]
    ready: list[Program] = field(default_factory=list)
    turn: count[int] = field(default_factory=count)

    async def probe(self) -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                self.ready = [one for one in self.replicas if await self._answers(http, one)]
                await asyncio.sleep(PROBE_SECONDS)

    def next(self) -> str:
        return self.ready[next(self.turn) % len(self.ready)].url

    async def _answers(self, http: aiohttp.ClientSession, one: Program) -> bool:
        try:
            async with http.get(f"{one.url}/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@dataclass
class Trickle:
    """A request every twentieth of a second over connections that are kept, each tried once."""

    service: Service
    statuses: list[object] = field(default_factory=list)

    async def run(self, over: asyncio.Event) -> None:
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
            for number in count():
                if over.is_set():
                    return
                group.create_task(self._ask(http, number))
                await asyncio.sleep(0.05)

    async def _ask(self, http: aiohttp.ClientSession, number: int) -> None:
        method, path = ("POST", f"/calls/c{number}/sessions") if number % 2 else ("GET", f"/calls/c{number}/sessions")
        try:
            async with http.request(method, self.service.next() + path) as answer:
                await answer.read()
                self.statuses.append(answer.status)
        except aiohttp.ClientError as error:
            self.statuses.append(repr(error))


async def run_what_comes(bench: Bench) -> None:
    """Plays operator and pod: each session waits a while for its slot, and runs."""
    known: set[str] = set()

    async def run_later(name: str) -> None:
        await asyncio.sleep(START_SECONDS)
        session = next(item for item in bench.sessions.store if item.metadata.name == name)
        await bench.run(session)

    async with asyncio.TaskGroup() as group:
        while True:
            for session in bench.sessions.store:
                if session.metadata.name not in known and session.status.phase is Phase.PENDING:
                    known.add(session.metadata.name)
                    group.create_task(run_later(session.metadata.name))
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def beside(*tasks: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ended(program: Program) -> None:
    program.process.terminate()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await program.process.wait() == 0, program.log


async def test_clients_that_retry_nothing_notice_nothing(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    async with a_bench(control_plane, namespace, tmp_path, lambda pad: pad.api(1, *FLAGS)) as bench:
        other = await Launchpad(control_plane, namespace, tmp_path / "other").api(2, *FLAGS)
        other.process.start()
        await other.until_ready()
        service = Service([bench.api, other])
        trickle, over = Trickle(service), asyncio.Event()
        probing = asyncio.create_task(service.probe())
        running = asyncio.create_task(run_what_comes(bench))
        try:
            async with beside(probing, running):
                await bench.until(lambda: len(service.ready) == 2)
                trickling = asyncio.create_task(trickle.run(over))
                for replica in service.replicas:
                    await bench.until(lambda: len(service.ready) == 2)
                    asked = len(trickle.statuses)
                    await bench.until(lambda asked=asked: len(trickle.statuses) > asked + 20)  # type: ignore[misc]
                    await ended(replica)
                    replica.process.start()
                    await replica.until_ready()
                await bench.until(lambda: len(service.ready) == 2)
                over.set()
                await trickling
        finally:
            await other.process.stop(5.0)
    assert [status for status in trickle.statuses if status not in (200, 201)] == []
    assert trickle.statuses.count(201) > 40


async def test_while_it_drains_it_is_not_ready_answers_on_and_sends_clients_elsewhere(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    async with a_bench(control_plane, namespace, tmp_path, lambda pad: pad.api(1, "--drain-seconds", "4")) as bench:
        async with bench.http.get("/sessions") as answer:
            assert "Connection" not in answer.headers
        bench.api.process.terminate()
        await bench.until(lambda: "answering on for 4 s" in bench.api.log)
        async with bench.http.get("/ready") as answer:
            assert (answer.status, answer.headers["Connection"]) == (503, "close")
        async with bench.http.get("/health") as answer:
            assert answer.status == 200
        posting = bench.post("room")
        await bench.run(await bench.session_of("room"))
        assert (await posting)[0] == 201
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await bench.api.process.wait() == 0


async def test_a_start_that_waits_for_a_slot_may_wait_on_after_the_drain(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    async with a_bench(control_plane, namespace, tmp_path, lambda pad: pad.api(1, "--shutdown-seconds", "60")) as bench:
        posting = bench.post("room")
        session = await bench.session_of("room")
        bench.api.process.terminate()
        await bench.until(lambda: bench.api.log.rstrip().endswith("leaving"))
        assert not posting.done()
        await bench.run(session)
        assert (await posting)[0] == 201
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await bench.api.process.wait() == 0
