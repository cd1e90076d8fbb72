"""A launcher that starts its pod itself, as in a program without the Runner: start, stop, and what may go wrong."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.apiserver import FakeApiServer
from tests.unit.runtime.agents import AgentFile
from tests.unit.runtime.cluster import NAMESPACE, POD, POD_UID
from tests.unit.runtime.stories import story

from greenroom import AgentLauncher
from greenroom.errors import StartAbandoned
from greenroom.hosts.local import LocalHost
from greenroom.hosts.pod import PodHost
from greenroom.registry import SessionRegistry
from greenroom.runtime.pod import RuntimePod
from greenroom.runtime.program import CannotListen
from greenroom.runtime.settings import RuntimeSettings
from greenroom_core.kube import auth
from greenroom_core.settings import BadSetting
from greenroom_core.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SETTINGS = RuntimeSettings(namespace=NAMESPACE, pod_name=POD, pod_uid=POD_UID, slots=2, drain_timeout_seconds=50.0)


class Program:
    """A launcher whose pod stands in an in-memory cluster; `opened` counts how often it was."""

    def __init__(self) -> None:
        self.server = FakeApiServer()
        self.clock = self.server.clock
        self.file = AgentFile(self.clock)
        self.launcher = AgentLauncher(self.file.create_agent, self.file.join_call, clock=self.clock)
        self.host = PodHost(self.launcher.lives, self._surroundings)
        self.launcher.host = self.host
        self.problem: Exception | None = None
        self.pods: list[RuntimePod] = []
        self.closed = 0

    @asynccontextmanager
    async def _surroundings(self) -> AsyncIterator[RuntimePod]:
        if self.problem is not None:
            raise self.problem
        transport = self.server.transport("pod")
        self.pods.append(RuntimePod(World(self.clock, Random(1), transport), self.launcher, SETTINGS))
        try:
            yield self.pods[-1]
        finally:
            self.closed += 1
            await transport.aclose()


@story
async def test_start_returns_when_the_pod_takes_sessions_and_stop_when_all_is_closed():
    here = Program()
    here.file.build = lambda: asyncio.sleep(20)
    begun = here.clock.boot()
    starting = asyncio.create_task(here.launcher.start())
    await here.clock.sleep(1)
    assert len(here.pods) == 1, "it answers its node while it warms up"
    await starting
    assert here.clock.boot() - begun == pytest.approx(20, abs=0.1)
    assert here.pods[0].ready
    assert here.launcher.ready
    assert here.launcher.warmed_up
    with pytest.raises(RuntimeError, match="already running"):
        await here.launcher.start()
    await here.launcher.stop()
    assert here.closed == 1
    assert not here.launcher.running


@story
async def test_it_can_be_started_again():
    here = Program()
    for life in (1, 2):
        async with here.launcher:
            assert here.pods[-1].ready
            assert here.launcher.sessions == ()
        assert (len(here.pods), here.closed) == (life, life)


@story
async def test_nothing_can_be_asked_before_it_has_been_started():
    launcher = Program().launcher
    for asked in (
        launcher.start_session("c1"),
        launcher.begin_session("c1"),
        launcher.request_close_session("c1", "s1"),
        launcher.get_session_info("c1", "s1"),
        launcher.list_sessions(),
    ):
        with pytest.raises(RuntimeError, match="start the launcher first"):
            await asked
    assert (launcher.sessions, launcher.full, launcher.draining, launcher.get_session("s1")) == ((), False, False, None)
    assert not await launcher.close_session("s1")
    await launcher.stop()
    assert await launcher.drain()


@story
async def test_what_keeps_the_pod_from_opening_is_raised_and_may_be_tried_again():
    here = Program()
    here.problem = CannotListen("cannot listen on 0.0.0.0:8080")
    with pytest.raises(CannotListen):
        await here.launcher.start()
    assert not here.launcher.running
    here.problem = None
    async with here.launcher:
        assert here.launcher.ready


@story
async def test_a_warm_up_that_fails_does_not_keep_it_from_starting():
    async def fails() -> None:
        raise OSError("no weights")

    here = Program()
    here.file.build = fails
    async with here.launcher:
        assert here.pods[0].ready


@story
async def test_without_an_api_server_it_waits_and_can_be_told_to_leave():
    here = Program()
    here.server.stop()
    starting = asyncio.create_task(here.launcher.start())
    await here.clock.sleep(100)
    assert not starting.done()
    here.host.leave()
    with pytest.raises(StartAbandoned):
        await starting
    assert here.closed == 1


@story
async def test_a_start_that_is_cancelled_leaves_nothing():
    here = Program()
    here.file.build = lambda: asyncio.sleep(20)
    starting = asyncio.create_task(here.launcher.start())
    await here.clock.sleep(1)
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    assert (len(here.pods), here.closed) == (1, 1)
    assert all(agent.closes for agent in here.file.agents)


@story
async def test_a_program_s_own_handler_of_sigterm_is_left_alone(monkeypatch):
    mine: Any = lambda *_: None  # noqa: E731
    before = signal.signal(signal.SIGTERM, mine)
    try:
        async with Program().launcher:
            assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


# --- which host a launcher has ---


@story
async def test_a_launcher_in_a_runtime_pod_has_the_pod_s_host_unless_it_is_given_a_registry(monkeypatch):
    file = AgentFile(FakeApiServer().clock)
    assert isinstance(AgentLauncher(file.create_agent, file.join_call).host, LocalHost)
    monkeypatch.setenv("GREENROOM_POD_UID", "u")
    assert isinstance(AgentLauncher(file.create_agent, file.join_call).host, PodHost)
    own = AgentLauncher(file.create_agent, file.join_call, registry=SessionRegistry())
    assert isinstance(own.host, LocalHost)


@story
async def test_what_the_environment_lacks_is_said_at_the_start(monkeypatch, tmp_path):
    monkeypatch.setenv("GREENROOM_POD_UID", "u")
    file = AgentFile(FakeApiServer().clock)
    launcher = AgentLauncher(file.create_agent, file.join_call)
    with pytest.raises(BadSetting, match="GREENROOM_NAMESPACE"):
        await launcher.start()
    monkeypatch.setenv("GREENROOM_NAMESPACE", "n")
    monkeypatch.setenv("GREENROOM_POD_NAME", "p")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(auth.NoCredentials):
        await launcher.start()
