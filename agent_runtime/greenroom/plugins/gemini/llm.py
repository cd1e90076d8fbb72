"""Gemini as an agent's model: streams text and function calls.

Keeps no conversation; what it is asked with is all it knows.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeAlias

from greenroom.agent import interfaces
from greenroom.agent.conversation import ToolCall
from greenroom.agent.imaging import require_pillow
from greenroom.agent.interfaces import TextDelta, Usage
from greenroom.agent.sight import PictureWish
from greenroom.plugins.gemini.client import CLIENTS, HTTP_ANSWERS, SDK, VENDOR, Account, Pool, translated
from greenroom.plugins.gemini.contents import CallMemory, Shown, contents, declarations, signed
from greenroom.plugins.gemini.options import complaint, generation_options, signs_calls
from greenroom.plugins.vendor import Service, VendorError, find_key

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence

    from aiohttp import ClientResponse

    from greenroom.agent.interfaces import ModelRequest
    from greenroom.agent.sight import Seen
    from greenroom.plugins.vendor import Backoff
    from greenroom_core.clock import Clock

Piece: TypeAlias = "TextDelta | ToolCall | Usage"

DEFAULT_MODEL = "gemini-2.5-flash-lite"
FIRST_TOKEN_SECONDS = 10.0
NEXT_TOKEN_SECONDS = 10.0
PICTURE_SIDE = 768  # what one tile of Gemini's is: 258 tokens
PICTURE_AGE_SECONDS = 5.0
_GOOD_ENDS = frozenset(("STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED"))
_BLUNDERS = frozenset(("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL"))  # now and then


class LLM(Service[Account, Pool], interfaces.LLM):
    """A Gemini model. The key is `api_key`, GOOGLE_API_KEY or GEMINI_API_KEY; the address `base_url` or
    GOOGLE_GEMINI_BASE_URL. Raises :class:`ValueError` without a key.

    `thinking_budget` is how many tokens it may think before it speaks: 0 is none, None what the model does by itself;
    from Gemini 3 on it is `thinking_level` ("minimal", "low", "medium", "high"). `config` is a `GenerateContentConfig`
    of the SDK or a mapping; its fields may be arguments of their own as well. What the SDK does not know is a
    :class:`ValueError` before the agent joins.

    With `pictures` it sees what the call shows when a question is asked: the latest picture of each of so many
    participants at most, none older than `picture_age_seconds`, each made no larger than `picture_side` pixels. Needs
    the extra `video`.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        thinking_budget: int | None = None,
        thinking_level: str | None = None,
        config: Mapping[str, Any] | Any | None = None,
        pictures: int = 0,
        picture_side: int = PICTURE_SIDE,
        picture_age_seconds: float = PICTURE_AGE_SECONDS,
        backoff: Backoff | None = None,
        first_token_seconds: float = FIRST_TOKEN_SECONDS,
        next_token_seconds: float = NEXT_TOKEN_SECONDS,
        clock: Clock | None = None,
        **more: Any,
    ) -> None:
        key = find_key("gemini.LLM", api_key, "GOOGLE_API_KEY", "GEMINI_API_KEY")
        super().__init__(
            VENDOR,
            SDK,
            CLIENTS,
            Account(key, base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL")),
            backoff=backoff,
            limits_seconds=(first_token_seconds, next_token_seconds),
            clock=clock,
        )
        self._model = model
        self._options = generation_options(model, config, thinking_budget, thinking_level, **more)
        if pictures:
            require_pillow()
            self.picture_wish = PictureWish(pictures, picture_age_seconds)
        self._picture_side = picture_side
        self._memory = CallMemory()

    async def start(self) -> None:
        """Raises :class:`ValueError` for a field of the configuration that the SDK does not know."""
        await super().start()
        assert self._pool is not None
        try:
            self._pool.types.GenerateContentConfig.model_validate(self._options)
        except ValueError as error:
            raise ValueError(f"gemini.LLM: {complaint(error)}") from None

    async def respond(self, request: ModelRequest) -> AsyncIterator[Piece]:
        async with aclosing(self._asked(lambda: self._answer(request))) as pieces:
            async for piece in pieces:
                yield piece

    def _translated(self, error: Exception) -> VendorError | None:
        return translated(error, self._account.key)

    def _count_error(self) -> None:
        self.metrics.on_llm_error()

    def _answer(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        return _Answer(self._memory).pieces(self._in_time(self._request(request)))

    async def _request(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        assert self._pool is not None
        pictures = await asyncio.gather(*map(self._shown, request.pictures))
        http_answers: list[ClientResponse] = []
        HTTP_ANSWERS.set(http_answers)
        try:
            stream = await self._pool.sdk.aio.models.generate_content_stream(
                model=self._model,
                contents=self._contents(request, pictures),
                config=self._pool.types.GenerateContentConfig.model_validate(self._config(request)),
            )
            async for chunk in stream:
                yield chunk
        finally:
            for http_answer in http_answers:
                http_answer.close()  # does nothing to one that was read to its end

    def _contents(self, request: ModelRequest, pictures: Sequence[Shown]) -> list[dict[str, Any]]:
        told = contents(request.messages, self._memory, pictures)
        return signed(told) if signs_calls(self._model) else told

    async def _shown(self, seen: Seen) -> Shown:
        jpeg = await seen.frame.within(self._picture_side).jpeg()
        return Shown(seen.participant.name or seen.participant.id, jpeg)

    def _config(self, request: ModelRequest) -> dict[str, Any]:
        return {
            "system_instruction": request.instructions or None,
            "tools": [{"functionDeclarations": declarations(request.tools)}] if request.tools else None,
            "automatic_function_calling": {"disable": True},
            **self._options,
        }


class _Answer:
    """One answer as it comes in."""

    def __init__(self, memory: CallMemory) -> None:
        self._memory = memory
        self._empty = True
        self._ended: str | None = None
        self._usage: Any = None

    async def pieces(self, stream: AsyncGenerator[Any, None]) -> AsyncGenerator[Piece, None]:
        """Raises :class:`VendorError` if Gemini refused to answer or stopped without saying why."""
        async with aclosing(stream):
            async for chunk in stream:
                for piece in self._take(chunk):
                    self._empty = False
                    yield piece
        if self._ended is None:
            raise VendorError(f"{VENDOR} stopped in the middle of its answer", retryable=self._empty)
        if self._empty and self._ended not in _GOOD_ENDS:
            raise VendorError(f"{VENDOR} gave no answer: {self._ended}", retryable=self._ended in _BLUNDERS)
        if self._usage is not None:
            yield self._tokens()

    def _take(self, chunk: Any) -> Iterator[Piece]:
        self._usage = chunk.usage_metadata or self._usage
        feedback = chunk.prompt_feedback
        if feedback is not None and feedback.block_reason is not None:
            self._ended = f"the question was refused ({feedback.block_reason.value})"
        for candidate in (chunk.candidates or ())[:1]:
            if candidate.finish_reason is not None:
                self._ended = str(candidate.finish_reason.value)
            for part in (candidate.content.parts if candidate.content else None) or ():
                if part.function_call is not None:
                    yield self._memory.take(part)
                elif part.text and not part.thought:
                    yield TextDelta(part.text)

    def _tokens(self) -> Usage:
        used = self._usage
        spoken = (used.candidates_token_count or 0) + (used.thoughts_token_count or 0)
        read = (used.prompt_token_count or 0) + (used.tool_use_prompt_token_count or 0)
        return Usage(read, spoken)
