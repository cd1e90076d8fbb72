"""Agents in calls, made of the bench's parts, as many in this process as a scene wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from tests.bench.turn import parts
from tests.bench.turn.wire import Caller, Connection, Edge

from greenroom.agent import Agent, User

Ears = Literal["vad", "turn-taking"]


@dataclass(frozen=True)
class Voice:
    """How an agent answers."""

    answer: Callable[[], Iterator[str]]
    seconds_per_word: float
    piece_seconds: float = 0.1


SHORT = Voice(lambda: iter(parts.SHORT_ANSWER), 0.005)
ENDLESS = Voice(parts.long_answer, 0.25)


@dataclass(frozen=True)
class Session:
    agent: Agent
    connection: Connection
    caller: Caller
    journal: parts.Journal


def scripted(ears: Ears, voice: Voice) -> tuple[Agent, parts.Journal]:
    journal = parts.Journal()
    listening: dict[str, Any] = {"stt": parts.TurnTaker(journal)}
    if ears == "vad":
        listening = {"stt": parts.Stt(journal), "vad": parts.Vad(), "turn_detection": parts.Turns(journal)}
    agent = Agent(
        edge=Edge(),
        llm=parts.Llm(journal, voice.answer),
        tts=parts.Tts(journal, voice.seconds_per_word, voice.piece_seconds),
        agent_user=User(name="Assistant", id="agent"),
        instructions="Be brief.",
        **listening,
    )
    return agent, journal


@asynccontextmanager
async def in_calls(count: int, ears: Ears, voice: Voice = SHORT) -> AsyncIterator[list[Session]]:
    """So many agents in calls of their own. Nobody sends anything yet."""
    async with AsyncExitStack() as stack:
        found = []
        for number in range(count):
            agent, journal = scripted(ears, voice)
            call = await agent.create_call("default", f"call-{number}")
            await stack.enter_async_context(agent.join(call, None))
            assert isinstance(agent.edge, Edge)
            assert agent.edge.connection is not None
            connection = agent.edge.connection
            found.append(Session(agent, connection, Caller(connection.sink.audio_received), journal))
        yield found


@asynccontextmanager
async def sending(callers: list[Caller]) -> AsyncIterator[None]:
    """Within the block the callers send their frames."""
    tasks = [asyncio.create_task(caller.run()) for caller in callers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
