"""Agents in calls, made of the bench's parts, as many in this process as a scene wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from tests.bench.turn import parts
from tests.bench.turn.wire import Caller, Connection, Edge

from greenroom.agent import Agent, User
from greenroom.plugins import local

Ears = Literal["vad", "turn-taking"]


@dataclass(frozen=True)
class Voice:
    """How an agent answers."""

    answer: Callable[[], Iterator[str]]
    seconds_per_word: float
    piece_seconds: float = 0.1


SHORT = Voice(lambda: iter(parts.SHORT_ANSWER), 0.005)
ENDLESS = Voice(parts.long_answer, 0.25)
USUAL = Voice(lambda: islice(parts.long_answer(), 12), 0.25)
"""A sentence of three seconds."""


@dataclass(frozen=True)
class Session:
    agent: Agent
    connection: Connection
    caller: Caller
    journal: parts.Journal


def scripted(ears: Ears, voice: Voice) -> Session:
    journal = parts.Journal()
    listening: dict[str, Any] = {"stt": parts.TurnTaker(journal)}
    if ears == "vad":
        listening = {"stt": parts.Stt(journal), "vad": parts.Vad(), "turn_detection": parts.Turns(journal)}
    tts = parts.Tts(journal, voice.seconds_per_word, voice.piece_seconds)
    return session(journal, llm=parts.Llm(journal, voice.answer), tts=tts, **listening)


def offline() -> Session:
    """Of the engines that need no network."""
    return session(parts.Journal(), llm=local.LLM(), tts=local.TTS(seed=7), vad=local.VAD(), stt=local.STT())


def session(journal: parts.Journal, **engines: Any) -> Session:
    connection = Connection()
    agent = Agent(
        edge=Edge(connection),
        agent_user=User(name="Assistant", id="agent"),
        instructions="Be brief.",
        **engines,
    )
    return Session(agent, connection, Caller(connection.receive), journal)


@asynccontextmanager
async def in_calls(sessions: Sequence[Session]) -> AsyncIterator[Sequence[Session]]:
    """Each agent in a call of its own. Nobody sends anything yet."""
    async with AsyncExitStack() as stack:
        for number, one in enumerate(sessions):
            call = await one.agent.create_call("default", f"call-{number}")
            await stack.enter_async_context(one.agent.join(call, None))
        yield sessions


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
