"""The document's gRPC sketch, with the generated code of the example, asked by a client over the wire."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path

import grpc
import pytest
from tests.seed import block
from tests.seed.stub import Stub

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "grpc"


async def test_the_sketch_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    generated = {name: importlib.import_module(name) for name in ("agent_pb2", "agent_pb2_grpc")}
    asked_for: list[str] = []
    started: asyncio.Future[tuple[grpc.aio.Server, int]] = asyncio.get_running_loop().create_future()
    make_server = grpc.aio.server

    def server() -> grpc.aio.Server:
        """The same, but on a port that is free on this machine."""
        made = make_server()
        listen = made.add_insecure_port

        def add_insecure_port(address: str) -> int:
            asked_for.append(address)
            port = listen("127.0.0.1:0")
            started.set_result((made, port))
            return port

        made.add_insecure_port = add_insecure_port  # type: ignore[method-assign]
        return made

    monkeypatch.setattr(grpc.aio, "server", server)
    stub = Stub()
    serving = asyncio.create_task(block.run("grpc_sketch", **stub.given, **generated))
    await asyncio.wait((serving, started), return_when=asyncio.FIRST_COMPLETED)
    assert started.done(), serving.result()
    running, port = await started
    assert asked_for == ["[::]:50051"]
    try:
        async with asyncio.timeout(90), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            messages = generated["agent_pb2"]
            client = generated["agent_pb2_grpc"].AgentServiceStub(channel)
            await channel.channel_ready()
            request = messages.StartSessionRequest(call_id="my-call-123", call_type="default")
            session = await client.StartSession(request)
            assert stub.joined == [("default", "my-call-123")]
            assert stub.agents[-1].id == session.session_id
            await client.CloseSession(
                messages.CloseSessionRequest(call_id="my-call-123", session_id=session.session_id)
            )
            while not stub.agents[-1].closed:
                await asyncio.sleep(0.01)
            await running.stop(None)
            names = await serving
            await names["launcher"].stop()
    finally:
        serving.cancel()
        for name in generated:
            sys.modules.pop(name, None)
