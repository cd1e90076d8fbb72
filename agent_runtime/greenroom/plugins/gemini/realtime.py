"""Gemini as a model that hears and speaks: its Live API, one session a call over as many connections as it takes."""

from __future__ import annotations

import asyncio
import logging
import os
from random import Random
from typing import TYPE_CHECKING, Any

from greenroom.agent import realtime
from greenroom.agent.imaging import require_pillow
from greenroom.agent.realtime import RealtimeTrouble
from greenroom.plugins.gemini.client import CLIENTS, SDK, VENDOR, Account, Pool, translated
from greenroom.plugins.gemini.live import Live
from greenroom.plugins.gemini.live_carrying import Carried
from greenroom.plugins.gemini.live_errors import GoingAway
from greenroom.plugins.gemini.live_setup import Wishes, further, history, session_config
from greenroom.plugins.gemini.live_turns import LiveTurns
from greenroom.plugins.vendor import Backoff, Service, VendorError, find_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greenroom.agent.realtime import Given, Opening, Said
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.plugins.gemini")

DEFAULT_MODEL = "gemini-3.8-live"
FIRST_REPLY_SECONDS = 10.0
NEXT_SOUND_SECONDS = 10.0
STEADY_SECONDS = 5.0  # a connection that lived so long did not fail at once
PICTURE_SIDE = 768  # what one tile of Gemini's is: 258 tokens


class Realtime(Service[Account, Pool], realtime.Realtime):
    """A Gemini Live model. The key is `api_key`, GOOGLE_API_KEY or GEMINI_API_KEY; the address `base_url` or
    GOOGLE_GEMINI_BASE_URL, always over TLS. Raises :class:`ValueError` without a key.

    `voice` (such as `Puck`), `language`, `temperature` and `silence_ms`, the silence that ends the user's turn, are
    Gemini's own if not given. `config` is a `LiveConnectConfig` of the SDK or a mapping, for all else; what the SDK
    does not know is a :class:`ValueError` before the agent joins. With `fps`, at most 1, it sees the newest picture of
    the call so often, none larger than `picture_side` pixels; that needs the extra `video`.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        api_key: str | None = None,
        *,
        voice: str | None = None,
        language: str | None = None,
        temperature: float | None = None,
        silence_ms: int | None = None,
        config: Mapping[str, Any] | Any | None = None,
        fps: float = 0.0,
        picture_side: int = PICTURE_SIDE,
        base_url: str | None = None,
        backoff: Backoff | None = None,
        first_reply_seconds: float = FIRST_REPLY_SECONDS,
        next_sound_seconds: float = NEXT_SOUND_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        key = find_key("gemini.Realtime", api_key, "GOOGLE_API_KEY", "GEMINI_API_KEY")
        super().__init__(
            VENDOR,
            SDK,
            CLIENTS,
            Account(key, base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL")),
            backoff=backoff or Backoff(longest_seconds=5.0),
            limits_seconds=(first_reply_seconds, next_sound_seconds),
            clock=clock,
        )
        self._key = key
        self._wishes = Wishes(model, voice, language, temperature, silence_ms, further(config))
        if not 0.0 <= fps <= 1.0:
            raise ValueError(f"fps={fps}: Gemini takes at most one picture a second; 0 is none")
        if fps:
            require_pillow()
        self.fps = fps
        self._picture_side = picture_side
        self._random = Random()
        self._failures = 0
        self._handle: str | None = None
        self._ready: tuple[Live, LiveTurns] | None = None

    async def prepare(self, opening: Callable[[], Opening]) -> None:
        """Open the session, so that a wrong key is known before the call. Raises :class:`VendorError`."""
        await self.start()
        while self._ready is None:
            try:
                self._ready = await self._dial(opening)
            except VendorError as error:
                await self._pause(error, self._backoff.attempts)

    async def close(self) -> None:
        ready, self._ready = self._ready, None
        if ready is not None:
            await ready[0].close()
        await super().close()

    async def converse(self, opening: Callable[[], Opening], given: Given, said: Callable[[Said], None]) -> None:
        """Converse until cancelled. Raises :class:`VendorError` if Gemini refuses for good."""
        await self.start()
        unanswered = ""
        while True:
            try:
                if self._ready is None:
                    self._ready = await self._dial(opening)
                unanswered = await self._converse_on(*self._ready, given, said, unanswered)
            except VendorError as error:
                if error.retryable:
                    said(RealtimeTrouble(error))
                await self._pause(error)

    async def _converse_on(
        self, live: Live, turns: LiveTurns, given: Given, said: Callable[[Said], None], unanswered: str
    ) -> str:
        """Use one connection up; what the next one is to answer at once. Raises :class:`VendorError` on a refusal."""
        carried = Carried(live, turns, said, self._limits_seconds, self._picture_side, self._clock)
        failure = await self._carry(carried, live, given, unanswered)
        self._handle = turns.handle or self._handle
        open_ends, not_answered = turns.cut()
        for value in open_ends:
            said(value)
        if isinstance(failure, VendorError):
            if failure.retryable:
                said(RealtimeTrouble(failure))
            await self._pause(failure)
        return carried.unanswered or not_answered

    async def _carry(self, carried: Carried, live: Live, given: Given, unanswered: str) -> VendorError | GoingAway:
        """Why the connection is of no more use; it is closed then."""
        try:
            async with asyncio.TaskGroup() as group:
                if unanswered:
                    await carried.ask(unanswered)
                group.create_task(carried.receive(), name="gemini-receive")
                group.create_task(carried.send(given), name="gemini-send")
                group.create_task(carried.watch(), name="gemini-watch")
        except BaseExceptionGroup as errors:
            failure = _first(errors)
        finally:
            if self._clock.boot() - live.opened_at > STEADY_SECONDS:
                self._failures = 0
            self._ready = None
            await live.close()
        if isinstance(failure, VendorError | GoingAway):
            return failure
        raise failure

    async def _dial(self, opening: Callable[[], Opening]) -> tuple[Live, LiveTurns]:
        if self._handle is not None:
            try:
                return await self._opened(opening(), self._handle)
            except VendorError as error:
                if error.retryable or error.status is not None:
                    raise
                logger.warning("%s does not know the session any more, beginning another: %s", VENDOR, error)
                self._handle = None
        return await self._opened(opening(), None)

    async def _opened(self, opening: Opening, handle: str | None) -> tuple[Live, LiveTurns]:
        assert self._pool is not None
        before = [] if handle is not None else history(opening.messages, self._wishes)
        config = session_config(self._wishes, opening, handle, history=bool(before))
        live = await Live.dial(self._pool, self._wishes.model, config, self._key, self._clock)
        if before:
            try:
                await live.history(before)
            except BaseException:
                await live.close()
                raise
        return live, LiveTurns(deaf=bool(before) and self._wishes.replies_to_history)

    async def _pause(self, error: VendorError, attempts: int | None = None) -> None:
        """Wait before the next connection. Raises `error` if that would be in vain, or one too many of `attempts`."""
        self._failures += 1
        if not error.retryable or (attempts is not None and self._failures >= attempts):
            raise error
        pause = self._backoff.pause_seconds(self._failures, self._random.random(), error.retry_after_seconds)
        logger.warning("no connection, dialling again in %.1f s: %s", pause, error)
        await self._clock.sleep(pause)

    def _translated(self, error: Exception) -> VendorError | None:
        return translated(error, self._key)

    def _count_error(self) -> None:
        self.metrics.on_realtime_error()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
