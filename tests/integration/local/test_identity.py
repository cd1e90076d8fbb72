"""A pod's token is replaced long before it expires, also when the API server is away just then."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from greenroom_core.clock import SystemClock
from greenroom_core.kube.client import KubeClient
from greenroom_core.kube.http import HttpTransport
from greenroom_core.world import World
from greenroom_local.node.identity import TOKEN_LIFETIME_SECONDS, Identity
from greenroom_local.node.pod import PODS

if TYPE_CHECKING:
    from pathlib import Path

    from greenroom_local.control_plane import ControlPlane


class Clock(SystemClock):
    """Sleeps of a minute and more end when the test says so."""

    def __init__(self) -> None:
        self.asleep: asyncio.Queue[float] = asyncio.Queue()
        self.wake = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds < 5:
            await super().sleep(seconds)
            return
        self.asleep.put_nowait(seconds)
        await self.wake.wait()
        self.wake.clear()


async def test_token_is_replaced_in_time(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    container = {"name": "main", "image": "any", "command": ["none"]}
    clock = Clock()
    async with HttpTransport(control_plane.credentials(), user_agent="test") as transport:
        client = KubeClient(World(clock, random.Random(1), transport), deadline_seconds=1)
        pod = await client.create(
            PODS,
            namespace,
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "one"},
                "spec": {"containers": [container]},
            },
        )
        identity = Identity(client, pod, tmp_path / "one", control_plane.ca_file)
        await identity.write()
        first = (tmp_path / "one" / "token").read_text()
        keeping = asyncio.create_task(identity.keep_fresh())
        try:
            async with asyncio.timeout(60):
                assert await clock.asleep.get() < TOKEN_LIFETIME_SECONDS
                await control_plane.api_server.kill()
                clock.wake.set()
                assert await clock.asleep.get() == 10, "it tries again soon"
                assert (tmp_path / "one" / "token").read_text() == first
            control_plane.api_server.start()
            await control_plane.wait_ready()
            async with asyncio.timeout(60):
                clock.wake.set()
                assert await clock.asleep.get() > 600
            second = (tmp_path / "one" / "token").read_text()
            assert second != first
            review = {"spec": {"token": second}}
            answer = await control_plane.admin.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
            assert answer["status"]["authenticated"]
        finally:
            keeping.cancel()
            if not control_plane.api_server.running:
                control_plane.api_server.start()
                await control_plane.wait_ready()
