"""The replies of a model that speaks, in one call: heard one after the other, told and remembered as they were heard.

Knows nothing of where replies come from.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from greenroom.agent.cancellation import outlast
from greenroom.agent.conversation import Message, Role
from greenroom.agent.events import AgentTranscriptEvent, AgentTurnEndedEvent, AgentTurnStartedEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.agent.conversation import Conversation
    from greenroom.agent.events import Event
    from greenroom.agent.playout import Playout
    from greenroom.agent.reply import Reply
    from greenroom.observability import MetricsCollector
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent")

WAITING_REPLIES = 16


class Recital:
    """A reply is open from `expect` on until it was heard or cut off."""

    def __init__(
        self,
        *,
        name: str,
        playout: Playout,
        conversation: Conversation,
        metrics: MetricsCollector,
        emit: Callable[[Event], None],
        on_cut: Callable[[Reply], None],
        clock: Clock,
    ) -> None:
        """`on_cut` is told of a reply that had begun and is not heard to its end."""
        self._name = name
        self._playout = playout
        self._conversation = conversation
        self._metrics = metrics
        self._emit = emit
        self._on_cut = on_cut
        self._clock = clock
        self._open: list[Reply] = []  # the oldest first
        self._begun: asyncio.Queue[Reply] = asyncio.Queue(WAITING_REPLIES)
        self._settled = asyncio.Event()
        self._heard: Reply | None = None  # now
        self._speaking: asyncio.Task[None] | None = None

    def expect(self, reply: Reply) -> None:
        self._open.append(reply)

    def begin(self, reply: Reply) -> bool:
        """`reply` is to be heard after those before it. Whether there was room for it."""
        if self._begun.full():
            return False
        self._begun.put_nowait(reply)
        reply.begun.set()
        return True

    def tell(self, sentence: str, reply: Reply) -> None:
        since = reply.answers_since
        self._emit(AgentTranscriptEvent(sentence, None if since is None else self._clock.boot() - since))

    def cut_off(self, first: Reply | None = None) -> None:
        """Silence `first` and those after it; all if not given."""
        start = 0 if first is None else self._open.index(first)
        if self._open:
            self._playout.stop()
        for reply in self._open[start:]:
            if reply is self._heard and self._speaking is not None:
                self._speaking.cancel()  # at once: it may be about to give sound to the playout
            if reply.begun.is_set():
                self._on_cut(reply)
            self.settle(reply, interrupted=True)

    def settle(self, reply: Reply, interrupted: bool) -> None:
        """`reply` is over: what was heard of it stands in the conversation. Once a reply."""
        if reply.over.is_set():
            return
        self._open.remove(reply)
        reply.begun.set()
        reply.over.set()
        self._settled.set()
        heard = reply.speech.heard()
        if heard:
            self._metrics.on_realtime_agent_transcription()
            self._conversation.add(Message(Role.ASSISTANT, heard, interrupted=interrupted))
        logger.info("[%s] transcript agent: %s%s", self._name, heard, " (interrupted)" if interrupted else "")
        self._emit(AgentTurnEndedEvent(heard, interrupted))
        if reply.turn is not None:
            reply.turn.resolve()

    async def all_over(self) -> None:
        """No reply is open."""
        while self._open:
            self._settled.clear()
            await self._settled.wait()

    async def run(self) -> None:
        """Let them be heard, until cancelled."""
        while True:
            reply = await self._begun.get()
            if not reply.over.is_set():
                await self._recite(reply)

    async def _recite(self, reply: Reply) -> None:
        reply.speech.on_first_sound = lambda: self._started(reply)
        self._heard = reply
        self._speaking = asyncio.create_task(self._speak(reply), name=f"{self._name}-speak")
        try:
            await asyncio.wait((self._speaking,))
        finally:
            self._speaking.cancel()
            with suppress(asyncio.CancelledError):
                await outlast(self._speaking)
            self._heard = self._speaking = None
        self.settle(reply, interrupted=not reply.whole)

    async def _speak(self, reply: Reply) -> None:
        async for pcm in reply.sounds():
            await self._playout.put(reply.speech, reply.spoken, pcm)
        await self._playout.drained()

    def _started(self, reply: Reply) -> None:
        at, since = reply.speech.first_sound_at, reply.answers_since
        response_seconds = None if at is None or since is None else at - since
        if response_seconds is not None:
            logger.info("[%s] end of speech to first sound: %.0f ms", self._name, response_seconds * 1000)
        self._emit(AgentTurnStartedEvent(response_seconds))
