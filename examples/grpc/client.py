"""Starts an agent over gRPC, waits until it has answered the caller, and closes it.

python examples/grpc/client.py [ADDRESS]
"""

from __future__ import annotations

import asyncio
import sys

import agent_pb2
import agent_pb2_grpc
import grpc

PAUSE_SECONDS = 0.25
LONGEST_SECONDS = 60.0


async def converse(address: str, call_id: str = "grpc-call") -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        agents = agent_pb2_grpc.AgentServiceStub(channel)
        started = await agents.StartSession(agent_pb2.StartSessionRequest(call_id=call_id, call_type="default"))
        print(f"session {started.session_id}", flush=True)
        session = {"call_id": call_id, "session_id": started.session_id}
        async with asyncio.timeout(LONGEST_SECONDS):
            spoken_ms = 0.0
            while not spoken_ms:
                await asyncio.sleep(PAUSE_SECONDS)
                info = await agents.GetSession(agent_pb2.GetSessionRequest(**session))
                spoken_ms = info.metrics.get("tts_audio_duration_ms__total", 0.0)
        print(f"{info.phase}: spoke for {spoken_ms / 1000:.1f} s", flush=True)
        await agents.CloseSession(agent_pb2.CloseSessionRequest(**session))
        print("closed", flush=True)


if __name__ == "__main__":
    asyncio.run(converse(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"))
