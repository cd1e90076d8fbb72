"""The model's side of an answer: ask, call the functions it wants, ask again, pass on its words.

Knows nothing of sound.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from greenroom.agent.conversation import Message, Role, ToolCall
from greenroom.agent.events import ToolCalledEvent
from greenroom.agent.interfaces import ModelRequest, TextDelta, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from greenroom.agent.conversation import Conversation
    from greenroom.agent.events import Event
    from greenroom.agent.interfaces import LLM
    from greenroom.agent.sight import Seen
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent.thinking")

CUT_OFF = "The user spoke before this was done: it was cut off."
MAX_REQUESTS = 8  # a model that only calls functions must not go round for ever


class Thinking:
    """The model of one agent, its functions and the conversation it sees."""

    def __init__(
        self,
        llm: LLM,
        instructions: str,
        conversation: Conversation,
        clock: Clock,
        emit: Callable[[Event], None],
        see: Callable[[], tuple[Seen, ...]] = tuple,
    ) -> None:
        self._llm = llm
        self._instructions = instructions
        self._conversation = conversation
        self._clock = clock
        self._emit = emit
        self._see = see

    async def answer(self, wanted: asyncio.Event) -> AsyncGenerator[str, None]:
        """The answer to the conversation so far, in pieces of text.

        Function calls and their results go into the conversation; the text does not: only the voice knows
        how much of it was heard. No function is called before `wanted` is set: what is only prepared has no effect.
        """
        pictures = self._see()
        for _ in range(MAX_REQUESTS):
            calls: list[ToolCall] = []
            async with aclosing(self._request(calls, pictures)) as pieces:
                async for piece in pieces:
                    yield piece
            if not calls:
                return
            await wanted.wait()
            await self._call(calls)
        logger.warning("the model asked for functions %d times in one answer: cut off", MAX_REQUESTS)

    async def _request(self, calls: list[ToolCall], pictures: tuple[Seen, ...]) -> AsyncGenerator[str, None]:
        asked_at = self._clock.boot()
        first_at: float | None = None
        busy = 0.0  # the consumer's own time does not count as the model's
        usage = Usage(0, 0)
        resumed_at = asked_at
        try:
            async with aclosing(self._stream(pictures)) as stream:
                async for item in stream:
                    first_at = first_at or self._clock.boot()
                    match item:
                        case TextDelta(text):
                            busy += self._clock.boot() - resumed_at
                            yield text
                            resumed_at = self._clock.boot()
                        case ToolCall():
                            calls.append(item)
                        case Usage():
                            usage = item
        except Exception:
            self._llm.metrics.on_llm_error()
            raise
        self._llm.metrics.on_llm_response(
            latency_ms=(busy + self._clock.boot() - resumed_at) * 1000,
            time_to_first_token_ms=None if first_at is None else (first_at - asked_at) * 1000,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
        )

    def _stream(self, pictures: tuple[Seen, ...]) -> AsyncGenerator[TextDelta | ToolCall | Usage, None]:
        stream: AsyncIterator[TextDelta | ToolCall | Usage] = self._llm.respond(
            ModelRequest(self._instructions, self._conversation.messages, self._llm.toolbox.tools, pictures)
        )
        return cast("AsyncGenerator[TextDelta | ToolCall | Usage, None]", stream)

    async def _call(self, calls: list[ToolCall]) -> None:
        try:
            results = await self._llm.toolbox.run(calls, self._clock)
        except asyncio.CancelledError:
            self._remember(calls, [CUT_OFF] * len(calls))  # the model is to know that they may have had an effect
            raise
        self._remember([result.call for result in results], [result.output for result in results])
        for result in results:
            self._llm.metrics.on_tool_call(result.duration_seconds * 1000)
            call = result.call
            self._emit(
                ToolCalledEvent(call.name, result.output, result.failed, result.duration_seconds, call.arguments)
            )

    def _remember(self, calls: Sequence[ToolCall], outputs: Sequence[str]) -> None:
        self._conversation.add(Message(Role.ASSISTANT, "", tool_calls=tuple(calls)))
        for call, output in zip(calls, outputs, strict=True):
            self._conversation.add(Message(Role.TOOL, output, tool_call_id=call.id))
