"""Agents over gRPC: AgentLauncher with another front than HTTP.

    python examples/grpc/server.py               listens on 127.0.0.1:50051
    GRPC_ADDRESS=127.0.0.1:0 python …            on a free port, which the first line names

The same file is the program of a runtime pod: there the sessions that it starts are AgentSession objects like all
others, under the cluster's limits, and they can be asked for and closed from every pod. It needs the package grpcio.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal

import agent_pb2
import agent_pb2_grpc
import grpc

from greenroom import Agent, AgentLauncher, SessionLimitExceeded, User
from greenroom.errors import StartAbandoned
from greenroom.plugins import local, wav

GRACE_SECONDS = 5.0
ADDRESS = "127.0.0.1:50051"


async def create_agent() -> Agent:
    caller = wav.Caller(["What is the weather in Boston?"], voice=local.TTS(seed=7))
    agent = Agent(
        edge=wav.Edge(caller),
        agent_user=User(name="Assistant", id="agent"),
        instructions="You are a helpful voice assistant.",
        llm=local.LLM(),
        stt=local.STT(),
        tts=local.TTS(),
        vad=local.VAD(),
    )

    @agent.llm.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        return f"The weather in {location} is sunny and 72°F."

    return agent


async def join_call(agent: Agent, call_type: str, call_id: str) -> None:
    call = await agent.create_call(call_type, call_id)
    async with agent.join(call):
        await agent.finish()


class AgentService(agent_pb2_grpc.AgentServiceServicer):
    def __init__(self, launcher: AgentLauncher):
        self.launcher = launcher

    async def StartSession(self, request, context):
        if not request.call_id:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "call_id is missing")
        try:
            session = await self.launcher.start_session(
                call_id=request.call_id,
                call_type=request.call_type or "default",
            )
        except SessionLimitExceeded as limit:  # in a cluster also: no slot came free in time
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(limit))
        except StartAbandoned as reason:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(reason))
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Exception:
            logging.exception("no session on call %s", request.call_id)
            await context.abort(grpc.StatusCode.INTERNAL, "Failed to start agent")
        return agent_pb2.StartSessionResponse(session_id=session.id)

    async def CloseSession(self, request, context):
        known = await self.launcher.request_close_session(
            call_id=request.call_id,
            session_id=request.session_id,
        )
        if not known:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Session with id '{request.session_id}' not found")
        return agent_pb2.CloseSessionResponse()

    async def GetSession(self, request, context):
        info = await self.launcher.get_session_info(request.call_id, request.session_id)
        if info is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Session with id '{request.session_id}' not found")
        return agent_pb2.GetSessionResponse(
            session_id=info.session_id,
            call_id=info.call_id,
            phase=info.phase,
            started_at=info.started_at,
            metrics={name: value for name, value in info.metrics.to_dict().items() if value is not None},
        )


async def serve(address: str) -> None:
    """Start the launcher, then serve, until a signal."""
    launcher = AgentLauncher(create_agent=create_agent, join_call=join_call, max_concurrent_sessions=10)
    async with launcher:
        server = grpc.aio.server()
        agent_pb2_grpc.add_AgentServiceServicer_to_server(AgentService(launcher), server)
        port = server.add_insecure_port(address)
        await server.start()
        print(f"listening on port {port}", flush=True)
        await told_to_end(launcher)
        await server.stop(GRACE_SECONDS)


async def told_to_end(launcher: AgentLauncher) -> None:
    """SIGTERM lets the sessions finish first, Ctrl-C does not wait for them."""
    interrupted, terminated = asyncio.Event(), asyncio.Event()
    for number, event in ((signal.SIGINT, interrupted), (signal.SIGTERM, terminated)):
        asyncio.get_running_loop().add_signal_handler(number, event.set)

    async def drained() -> None:
        await terminated.wait()
        await launcher.drain()

    waiting = [asyncio.create_task(interrupted.wait()), asyncio.create_task(drained())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(serve(os.environ.get("GRPC_ADDRESS", ADDRESS)))
