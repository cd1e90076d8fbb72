"""Lives of sessions in processes of their own, forked from a warm stock.

Keeps one stock process running and a few session processes ready. Knows nothing of what a session does.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from greenroom.isolation.cargo import beginning
from greenroom.isolation.failures import put_together
from greenroom.isolation.life import ProcessLife
from greenroom.isolation.link import SessionPeer, StockGone, StockLink
from greenroom.isolation.waiting import first_of
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.isolation import wire
    from greenroom.isolation.source import RecipeSource
    from greenroom.notices import Assignment, Notice
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.isolation.stock")

SPARE_PROCESSES = 2
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_AFTER_SECONDS = 60.0
_END_WITHIN_SECONDS = 10.0


class ProcessStock:
    """Nothing runs until :meth:`warm_up` or the first life does.

    `memory_limit_bytes` is what a session's process may allocate beyond what it shares with the stock;
    `blocked_loop_seconds` how long its event loop may stand still; `spare` how many processes wait for a session.
    """

    def __init__(
        self,
        source: RecipeSource,
        clock: Clock,
        *,
        memory_limit_bytes: int | None = None,
        blocked_loop_seconds: float = 30.0,
        spare: int = SPARE_PROCESSES,
    ) -> None:
        self.clock = clock
        self.memory_limit_bytes = memory_limit_bytes
        self.blocked_loop_seconds = blocked_loop_seconds
        self._source = source
        self._spare = spare
        self._warm = False
        self._link: StockLink | None = None
        self._lifeline: tuple[int, int] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._demand = asyncio.Event()
        self._spares: deque[SessionPeer] = deque()
        self._waiting: deque[asyncio.Future[SessionPeer]] = deque()
        self._lives: set[ProcessLife] = set()

    async def warm_up(self) -> None:
        """Starts the stock, which loads what agents share. Raises what the agent file or `create_agent` raised.

        Sessions can start after a failed warm-up, too; each then loads for itself.
        """
        async with self._starting:
            await self._let_go(0.0)
            await self._end_spares()
            failure = await self._start(warm_up=True)
            self._warm = failure is None
        self._need()
        if failure is not None:
            raise put_together(failure)

    def life(self, assignment: Assignment, notify: Callable[[Notice], None]) -> ProcessLife:
        return ProcessLife(assignment, self, notify)

    async def close(self) -> None:
        """Ends what still lives, each within its leave timeout, then the stock: no process is left."""
        for life in self._lives:
            life.leave(EndReason.DRAINED, "the launcher was stopped")
        await asyncio.gather(*(life.over.wait() for life in list(self._lives)))
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        self._refuse(StockGone("the launcher was stopped"))
        await self._end_spares()
        async with self._starting:
            await self._let_go(_END_WITHIN_SECONDS)
        self._drop_lifeline()

    # --- for lives ---

    async def take(self, life: ProcessLife) -> SessionPeer:
        """A process for one session: a spare one, else the next that is forked. Raises what keeps the stock down."""
        self._lives.add(life)
        self._need()
        while self._spares:
            peer = self._spares.popleft()
            if not peer.exit.done():
                return peer
        place: asyncio.Future[SessionPeer] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.give_back(place.result())
            raise

    def give_back(self, peer: SessionPeer) -> None:
        """One that was given no session."""
        self._spares.append(peer)
        peer.exit.add_done_callback(lambda _: self._lose_spare(peer))

    def forget(self, life: ProcessLife) -> None:
        self._lives.discard(life)

    # --- supply ---

    def _need(self) -> None:
        """Sees to it that somebody looks after the supply."""
        self._demand.set()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="stock-keeper")

    async def _keep(self) -> None:
        """Keeps a stock running; each failure soon after the last makes the pause longer."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            begun = self.clock.boot()
            try:
                await self._supply(await self._running())
            except Exception as error:
                self._refuse(error)
                logger.error("no session process can be made: %s", error)
            if self.clock.boot() - begun > _STEADY_AFTER_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            await self.clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _running(self) -> StockLink:
        async with self._starting:
            if self._link is None or self._link.gone.done():
                await self._let_go(0.0)
                failure = await self._start(warm_up=self._warm)
                if failure is not None:
                    logger.error("the stock's warm-up failed this time: %s: %s", failure.type_name, failure.text)
            assert self._link is not None
            return self._link

    async def _supply(self, link: StockLink) -> None:
        """Returns when the stock is gone."""
        link.gone.add_done_callback(lambda _: self._demand.set())
        while not link.gone.done():
            self._demand.clear()
            try:
                while self._missing():
                    self._hand_out(await link.fork())
            except StockGone:
                break
            await self._demand.wait()
        if link is self._link:
            logger.error("the stock process is gone; the sessions go on, and a new one is started")

    def _missing(self) -> bool:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return bool(self._waiting) or len(self._spares) < self._spare

    def _hand_out(self, peer: SessionPeer) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(peer)
                return
        self.give_back(peer)

    def _lose_spare(self, peer: SessionPeer) -> None:
        if peer in self._spares:
            self._spares.remove(peer)
            peer.socket.close()
            self._demand.set()

    def _refuse(self, error: Exception) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_exception(error)

    # --- the stock process ---

    async def _start(self, *, warm_up: bool) -> wire.Failure | None:
        """Sets the link; what the warm-up raised, if it did. Raises what makes the agent file unusable."""
        if self._lifeline is None:
            self._lifeline = os.pipe()
        link = await StockLink.start(beginning(self._source, warm_up=warm_up), self._lifeline[0], self.clock)
        try:
            loaded = await link.loaded
            if not loaded.usable:
                assert loaded.failure is not None
                raise put_together(loaded.failure)
        except BaseException:
            await link.close(0.0)
            raise
        self._link = link
        return loaded.failure

    async def _let_go(self, seconds: float) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close(seconds)

    async def _end_spares(self) -> None:
        """One that waits for a session ends when it is let go."""
        while self._spares:
            peer = self._spares.popleft()
            peer.socket.close()
            if not await first_of(self.clock, _END_WITHIN_SECONDS, peer.exit):
                peer.kill()
                await asyncio.wait((peer.exit,))

    def _drop_lifeline(self) -> None:
        """Whatever should still live dies of it."""
        if self._lifeline is not None:
            for end in self._lifeline:
                os.close(end)
            self._lifeline = None
