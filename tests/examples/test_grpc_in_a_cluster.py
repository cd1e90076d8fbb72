"""The same gRPC server as a runtime pod's program: its sessions are AgentSession objects like all others."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tests.examples.program import EXAMPLES
from tests.stack import FleetPlan, Stack

from greenroom_local.ports import free_ports

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane

pytestmark = pytest.mark.integration


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    monkeypatch.syspath_prepend(str(EXAMPLES / "grpc"))
    names = ("agent_pb2", "agent_pb2_grpc")
    yield tuple(importlib.import_module(name) for name in names)  # type: ignore[misc]
    for name in names:
        sys.modules.pop(name, None)


async def test_sessions_of_its_own(
    generated: tuple[Any, Any], control_plane: ControlPlane, installed_crds: None, tmp_path: Path
) -> None:
    messages, services = generated
    (port,) = free_ports(1)
    fleet = FleetPlan(
        pods=1,
        slots=4,
        limits={"maxSessionsPerCall": 1},
        agent=EXAMPLES / "grpc" / "server.py",
        environment={"GRPC_ADDRESS": f"127.0.0.1:{port}"},
    )
    async with (
        Stack(control_plane, tmp_path, [fleet]) as stack,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        [pod] = stack.open_pods()
        agents = services.AgentServiceStub(channel)

        # Started by gRPC: an object, pinned to this pod, seen and closed by REST.
        first = await agents.StartSession(messages.StartSessionRequest(call_id="one"), timeout=30, wait_for_ready=True)
        body = await stack.until_phase(first.session_id, "Running")
        assert body["spec"]["podName"] == body["status"]["podName"] == pod
        seen = await stack.api.ask("GET", f"/calls/one/sessions/{first.session_id}")
        assert seen.status == 200
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await agents.StartSession(messages.StartSessionRequest(call_id="one"), timeout=30)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, "the cluster's limit"
        assert (await stack.api.close("one", first.session_id)).status == 202
        status = await stack.until_ended(first.session_id)
        assert (status["phase"], status["reason"]) == ("Closed", "CloseRequested")

        # Started by REST: the same pod runs it, and gRPC sees and closes it.
        second = await stack.api.start("two")
        asked = {"call_id": "two", "session_id": second.session_id}
        info = await agents.GetSession(messages.GetSessionRequest(**asked), timeout=10)
        assert (info.session_id, info.phase) == (second.session_id, "Running")
        async with asyncio.timeout(90):
            while not info.metrics.get("tts_characters__total"):
                info = await agents.GetSession(messages.GetSessionRequest(**asked), timeout=10)
        await agents.CloseSession(messages.CloseSessionRequest(**asked), timeout=10)
        status = await stack.until_ended(second.session_id)
        assert (status["phase"], status["reason"]) == ("Closed", "CloseRequested")
