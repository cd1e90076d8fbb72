"""Speech to text by pocketsphinx: streaming, with partial texts, US English.

A decoder takes 90 MB and works only while somebody speaks, so sessions borrow one for each turn: a process
holds as many as people have spoken at the same time, never more than `max_decoders`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING

from greenroom.agent import interfaces
from greenroom.plugins.local.shared import shared
from greenroom.plugins.local.sphinx import Decoder, SphinxError
from greenroom.plugins.local.threads import LISTENING, LOADING
from greenroom.warmup import Warmable

if TYPE_CHECKING:
    from collections.abc import Hashable

MAX_DECODERS = 10


class DecoderPool:
    """Decoders of one process; shared by its event loops and threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._guard = threading.Lock()
        self._free: list[Decoder] = []
        self._count = 0
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[Decoder | None]]] = deque()

    @property
    def count(self) -> int:
        """Decoders in memory."""
        return self._count

    async def borrow(self) -> Decoder:
        """A decoder that has started an utterance; loads one if none is free, waits if there are too many."""
        while True:
            claim = self._claim()
            if isinstance(claim, Decoder):
                return await self._begin(claim)
            if claim is None:
                return await self._begin(await self._load())
            decoder = await self._wait(claim)
            if decoder is not None:
                return await self._begin(decoder)

    def give_back(self, decoder: Decoder) -> None:
        with self._guard:
            while self._waiting:
                loop, future = self._waiting.popleft()
                if not future.done():
                    loop.call_soon_threadsafe(self._hand_over, future, decoder)
                    return
            self._free.append(decoder)

    def discard(self, decoder: Decoder) -> None:
        """Give back one that failed: it is freed, and another may be loaded in its place."""
        decoder.free()
        self._lost()

    async def end(self, decoder: Decoder) -> None:
        """Give back one that is in an utterance, which is forgotten."""
        try:
            await LISTENING.run(decoder.finish)
        except SphinxError:
            self.discard(decoder)
        else:
            self.give_back(decoder)

    async def _begin(self, decoder: Decoder) -> Decoder:
        try:
            await LISTENING.run(decoder.start)
        except SphinxError:
            self.discard(decoder)
            raise
        except asyncio.CancelledError:  # the work has ended all the same
            await self.end(decoder)
            raise
        return decoder

    async def _load(self) -> Decoder:
        try:
            return await LOADING.run(Decoder)
        except BaseException:
            self._lost()
            raise

    def _claim(self) -> Decoder | asyncio.Future[Decoder | None] | None:
        """A free decoder, None for the right to load one, or a place in the queue."""
        with self._guard:
            if self._free:
                return self._free.pop()
            if self._count < self._limit:
                self._count += 1
                return None
            loop = asyncio.get_running_loop()
            future: asyncio.Future[Decoder | None] = loop.create_future()
            self._waiting.append((loop, future))
            return future

    async def _wait(self, place: asyncio.Future[Decoder | None]) -> Decoder | None:
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and (decoder := place.result()) is not None:
                self.give_back(decoder)
            raise

    def _hand_over(self, place: asyncio.Future[Decoder | None], decoder: Decoder) -> None:
        if place.done():
            self.give_back(decoder)
        else:
            place.set_result(decoder)

    def _lost(self) -> None:
        with self._guard:
            self._count -= 1
            waiting = self._waiting.popleft() if self._waiting else None
        if waiting is not None:  # it may load one now
            loop, place = waiting
            loop.call_soon_threadsafe(lambda: None if place.done() else place.set_result(None))


class STT(interfaces.STT, Warmable[DecoderPool]):
    """Ears for one call."""

    def __init__(self, max_decoders: int = MAX_DECODERS) -> None:
        if max_decoders < 1:
            raise ValueError(f"max_decoders={max_decoders}: at least one is needed to hear anything")
        self._max_decoders = max_decoders
        self._pool = shared(("decoders", max_decoders), lambda: DecoderPool(max_decoders))

    def warmup_key(self) -> Hashable:
        return self._max_decoders

    async def on_warmup(self) -> DecoderPool:
        pool = self._pool
        if pool.count == 0:
            await pool.end(await pool.borrow())
        return pool

    def on_warmed_up(self, resource: DecoderPool) -> None:
        self._pool = resource

    async def start(self) -> None:
        await self.on_warmup()

    def utterance(self) -> Utterance:
        return Utterance(self._pool)


class Utterance(interfaces.Utterance):
    """One turn, on a borrowed decoder."""

    def __init__(self, pool: DecoderPool) -> None:
        self._pool = pool
        self._decoder: Decoder | None = None
        self._text = ""

    async def feed(self, pcm: bytes) -> str | None:
        decoder = self._decoder = self._decoder or await self._pool.borrow()
        text = await LISTENING.run(decoder.feed, pcm)
        if text == self._text:
            return None
        self._text = text
        return text

    async def finish(self) -> str:
        if self._decoder is None:
            return ""
        text = await LISTENING.run(self._decoder.finish)
        decoder, self._decoder = self._decoder, None
        self._pool.give_back(decoder)
        return text

    async def abandon(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            await self._pool.end(decoder)
