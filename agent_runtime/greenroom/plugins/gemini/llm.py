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
from greenroom.plugins.gemini.contents import CallMemory, Shown, contents, declarations
from greenroom.plugins.vendor import Service, VendorError, find_key

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

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


class LLM(Service[Account, Pool], interfaces.LLM):
    """A Gemini model. The key is `api_key`, GOOGLE_API_KEY or GEMINI_API_KEY; the address `base_url` or
    GOOGLE_GEMINI_BASE_URL. Raises :class:`ValueError` without a key.

    `thinking_budget` is how many tokens it may think before it speaks: 0 is none, None what the model does by itself.

    With `pictures` it sees what the call shows when a question is asked: the latest picture of each of so many
    participants at most, none older than `picture_age_seconds`, each made no larger than `picture_side` pixels. Needs
    the extra `video`.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        thinking_budget: int | None = None,
        pictures: int = 0,
        picture_side: int = PICTURE_SIDE,
        picture_age_seconds: float = PICTURE_AGE_SECONDS,
        backoff: Backoff | None = None,
        first_token_seconds: float = FIRST_TOKEN_SECONDS,
        next_token_seconds: float = NEXT_TOKEN_SECONDS,
        clock: Clock | None = None,
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
        wanted = {
            "temperature": temperature,
            "maxOutputTokens": max_output_tokens,
            "thinkingConfig": None if thinking_budget is None else {"thinkingBudget": thinking_budget},
        }
        self._options = {name: value for name, value in wanted.items() if value is not None}
        if pictures:
            require_pillow()
            self.picture_wish = PictureWish(pictures, picture_age_seconds)
        self._picture_side = picture_side
        self._memory = CallMemory()

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
                contents=contents(request.messages, self._memory, pictures),
                config=self._pool.types.GenerateContentConfig.model_validate(self._config(request)),
            )
            async for chunk in stream:
                yield chunk
        finally:
            for http_answer in http_answers:
                http_answer.close()  # does nothing to one that was read to its end

    async def _shown(self, seen: Seen) -> Shown:
        jpeg = await seen.frame.within(self._picture_side).jpeg()
        return Shown(seen.participant.name or seen.participant.id, jpeg)

    def _config(self, request: ModelRequest) -> dict[str, Any]:
        return {
            "systemInstruction": request.instructions or None,
            "tools": [{"functionDeclarations": declarations(request.tools)}] if request.tools else None,
            "automaticFunctionCalling": {"disable": True},
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
            raise VendorError(f"{VENDOR} gave no answer: {self._ended}")
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
        return Usage(used.prompt_token_count or 0, spoken)
