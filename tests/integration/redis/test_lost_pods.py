"""A session whose pods are killed and drained goes on where it was, on a real control plane with a real Redis."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from tests.invariants import Tolerance, events
from tests.redis_server import RedisServer
from tests.stack import FleetPlan, Stack
from tests.stack.kubectl import session

from greenroom_core.kube.kinds import SESSIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_core.model.session import AgentSession
    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

AGENT = Path(__file__).parents[2] / "agents" / "keeping.py"
FLEETS = {"plain": "none", "isolated": "process"}
TOLD_BY = {"plain": "GREENROOM_TEST_REDIS", "isolated": "GREENROOM_CHECKPOINTS_URL"}
"""Which variable has the store's address: one that the agent file reads, and the pod's own."""


class Scene:
    def __init__(self, stack: Stack, redis: Redis, kept: Path) -> None:
        self.stack = stack
        self.redis = redis
        self._kept = kept

    async def given(self, name: str, attempt: int) -> Any:
        """What the agent of the session's `attempt` was given, once it is there."""
        async with asyncio.timeout(60):
            while len(lines := self._lines(name)) < attempt:
                await asyncio.sleep(0.05)
        return lines[attempt - 1]["given"]

    async def saved_turns(self, key: str, at_least: int) -> int:
        async with asyncio.timeout(30):
            while True:
                state = json.loads(await self.redis.hget(key, "state") or '{"turns": 0}')  # type: ignore[misc]
                if state["turns"] >= at_least:
                    return int(state["turns"])
                await asyncio.sleep(0.05)

    async def pod(self, name: str, attempt: int) -> str:
        body = await self.stack.until(
            name, lambda body: events.attempt(body) == attempt and "joinedAt" in body["status"]
        )
        return str(events.status(body)["podName"])

    async def read(self, name: str) -> AgentSession:
        return await self.stack.client.get(SESSIONS, self.stack.namespace, name)

    def _lines(self, name: str) -> list[Any]:
        lines = [json.loads(line) for line in self._kept.read_text().splitlines()] if self._kept.exists() else []
        return [line for line in lines if line["session"] == name]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("lost-pods")
    async with RedisServer(folder) as server, Redis.from_url(server.url, decode_responses=True) as redis:
        common = {"GREENROOM_TEST_KEPT": str(folder / "kept")}
        fleets = [
            FleetPlan(
                name=name,
                pods=1,
                slots=4,
                agent=AGENT,
                drain_timeout_seconds=2,
                environment={**common, TOLD_BY[name]: server.url, "GREENROOM_TEST_ISOLATION": isolation},
            )
            for name, isolation in FLEETS.items()
        ]
        patient = Tolerance(quiet_seconds=30.0, longest_seconds=60.0)
        async with Stack(control_plane, folder, fleets, tolerance=patient) as stack:
            yield Scene(stack, redis, folder / "kept")


@pytest.mark.parametrize("fleet", FLEETS)
async def test_killed_then_drained_then_closed(scene: Scene, fleet: str) -> None:
    stack, name = scene.stack, f"goes-on-{fleet}"
    await stack.kubectl.apply(session(name, f"call-{fleet}", runtime=fleet, restartPolicy="OnPodLoss"))
    first_pod = await scene.pod(name, 1)
    assert await scene.given(name, 1) is None
    key = f"greenroom:checkpoints/{stack.namespace}/{(await scene.read(name)).metadata.uid}"
    saved = await scene.saved_turns(key, 20)

    os.kill(stack.node.pid(first_pod), signal.SIGKILL)
    second_pod = await scene.pod(name, 2)
    after_kill = (await scene.given(name, 2))["turns"]
    assert after_kill >= saved
    assert (await scene.read(name)).status.checkpoint is None

    await stack.kubectl.ok("delete", "pod", second_pod, "--wait=false")
    await scene.pod(name, 3)
    given = await scene.given(name, 3)
    left = (await scene.read(name)).status.checkpoint
    assert left is not None
    assert (json.loads(left.state), left.attempt) == (given, 2)
    assert given["turns"] > after_kill + 10, "it counted on until its agent had left"

    assert (await stack.api.close(f"call-{fleet}", name)).status in (200, 202, 204)
    status = await stack.until_ended(name)
    assert (status["reason"], status.get("checkpoint")) == ("CloseRequested", None)
    async with asyncio.timeout(20):
        while await scene.redis.exists(key):
            await asyncio.sleep(0.05)
    logs = list(stack.directory.rglob("*.log"))
    assert any(second_pod in str(log) for log in logs)
    assert [log for log in logs if "4711" in log.read_text()] == []
