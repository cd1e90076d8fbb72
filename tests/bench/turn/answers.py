"""What the framework adds: from the end of a turn to the first sound, and from the signal of speech to the stop.

Own share = (first frame handed to the connection - end of turn reported) - what the engines on the way took. Those
measure their own sleeps: an engine of 40 ms that slept 41.2 (the loop's timers go by milliseconds) counts 41.2. The
other subtraction, of the nominal delays, is told too: it has the timers' lateness, and the loop's, in it.
"""

from __future__ import annotations

import asyncio
import random
from time import perf_counter
from typing import Any

from tests.bench.turn.sessions import ENDLESS, SHORT, Ears, Session, in_calls, scripted, sending
from tests.bench.turn.wire import SPEECH

WARM_UP_TURNS = 2
LIMIT_SECONDS = 10.0


class Answers:
    """The turns of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._heard = asyncio.Event()
        session.connection.on_frame = self._frame
        self.own: list[float] = []
        self.less_nominal: list[float] = []

    def _frame(self, frame: bytes) -> None:
        journal = self._session.journal
        if journal.ended_at is not None:
            total = perf_counter() - journal.ended_at
            journal.ended_at = None
            self.own.append(total - journal.elapsed)
            self.less_nominal.append(total - journal.nominal)
            self._heard.set()

    async def take(self, turns: int) -> None:
        for _ in range(turns):
            self._heard.clear()
            await self._session.caller.say(SPEECH)
            async with asyncio.timeout(LIMIT_SECONDS):
                await self._heard.wait()
            await asyncio.sleep(random.uniform(0.08, 0.12))  # the rest of the answer


async def own_share(sessions: int, ears: Ears, turns: int) -> dict[str, Any]:
    """Seconds of each turn, `turns` a session."""
    async with (
        in_calls([scripted(ears, SHORT) for _ in range(sessions)]) as found,
        sending([session.caller for session in found]),
    ):
        answers = [Answers(session) for session in found]
        await asyncio.gather(*(one.take(WARM_UP_TURNS) for one in answers))
        for one in answers:
            one.own.clear()
            one.less_nominal.clear()
        await asyncio.gather(*(one.take(turns) for one in answers))
    return {
        "own": [seconds for one in answers for seconds in one.own],
        "less_nominal": [seconds for one in answers for seconds in one.less_nominal],
    }


class Interruptions:
    """The barge-ins of one session, whose agent never stops by itself."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stopped_at: float | None = None
        self._heard = asyncio.Event()
        session.connection.on_clear = self._stop
        session.connection.on_frame = lambda frame: self._heard.set()
        self.to_stop: list[float] = []
        self.to_silence: list[float] = []
        self.sound_to_silence: list[float] = []

    def _stop(self) -> None:
        if self._stopped_at is None:
            self._stopped_at = perf_counter()

    async def take(self, count: int) -> None:
        await self._interrupt()
        for _ in range(count):
            await self._interrupt()
            signalled_at = self._session.journal.signalled_at
            assert self._stopped_at is not None, "the agent was not stopped"
            self.to_stop.append(self._stopped_at - signalled_at)
            self.to_silence.append(max(self._silent_from - signalled_at, 0.0))
            self.sound_to_silence.append(self._silent_from - self._session.caller.began_at)

    async def _interrupt(self) -> None:
        self._stopped_at = None
        await self._session.caller.say(SPEECH)
        self._silent_from = self._session.connection.silent_from
        self._heard.clear()
        async with asyncio.timeout(LIMIT_SECONDS):
            await self._heard.wait()
        await asyncio.sleep(random.uniform(0.1, 0.14))


async def barge_in(sessions: int, ears: Ears, count: int) -> dict[str, Any]:
    """Seconds of each interruption, `count` a session."""
    async with (
        in_calls([scripted(ears, ENDLESS) for _ in range(sessions)]) as found,
        sending([session.caller for session in found]),
    ):
        stops = [Interruptions(session) for session in found]
        await asyncio.gather(*(one.take(count) for one in stops))
    return {
        "to_stop": [seconds for one in stops for seconds in one.to_stop],
        "to_silence": [seconds for one in stops for seconds in one.to_silence],
        "sound_to_silence": [seconds for one in stops for seconds in one.sound_to_silence],
    }
