"""The gRPC example: its server and its client as processes, and its generated code as the generator makes it."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.examples.program import EXAMPLES, Program

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = EXAMPLES / "grpc"


async def test_server_and_client() -> None:
    async with Program("grpc/server.py", environment={"GRPC_ADDRESS": "127.0.0.1:0"}) as server:
        port = (await server.line(r"listening on port (\d+)")).group(1)
        async with Program("grpc/client.py", f"127.0.0.1:{port}") as client:
            session = (await client.line(r"^session (\S+)")).group(1)
            assert float((await client.line(r"Running: spoke for (\S+) s")).group(1)) > 0
            await client.line("^closed$")
            assert await client.end(None) == 0, client.output
        await server.line(f"session {session} ended: CloseRequested")
        assert await server.end() == 0, server.output
        assert "Traceback" not in server.output


async def test_errors_have_their_codes(tmp_path: Path) -> None:
    """By a client of another making, so that the codes are those that go over the wire."""
    probe = tmp_path / "probe.py"
    probe.write_text(
        f"""
import sys
sys.path.insert(0, {str(FOLDER)!r})
import agent_pb2, agent_pb2_grpc, grpc

with grpc.insecure_channel(sys.argv[1]) as channel:
    agents = agent_pb2_grpc.AgentServiceStub(channel)
    def code(call, request):
        try:
            call(request)
        except grpc.RpcError as error:
            return error.code().name
    print(code(agents.StartSession, agent_pb2.StartSessionRequest()))
    print(code(agents.CloseSession, agent_pb2.CloseSessionRequest(call_id="c", session_id="s")))
    print(code(agents.GetSession, agent_pb2.GetSessionRequest(call_id="c", session_id="s")))
    for number in range(10):
        assert code(agents.StartSession, agent_pb2.StartSessionRequest(call_id=f"c{{number}}")) is None
    print(code(agents.StartSession, agent_pb2.StartSessionRequest(call_id="eleventh")))
"""
    )
    async with Program("grpc/server.py", environment={"GRPC_ADDRESS": "127.0.0.1:0"}) as server:
        port = (await server.line(r"listening on port (\d+)")).group(1)
        async with Program(probe, f"127.0.0.1:{port}") as client:
            assert await client.end(None, seconds=60) == 0, client.output
        assert client.lines == ["INVALID_ARGUMENT", "NOT_FOUND", "NOT_FOUND", "RESOURCE_EXHAUSTED"]
        assert await server.end(signal.SIGINT) == 0, "it closes its ten agents"


def test_generated_code_is_current(tmp_path: Path) -> None:
    made = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    words = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={FOLDER}", *made, "agent.proto"]
    subprocess.run(words, check=True)
    for name in ("agent_pb2.py", "agent_pb2.pyi", "agent_pb2_grpc.py"):
        assert (tmp_path / name).read_text() == (FOLDER / name).read_text(), f"{name}: run `make generate`"
