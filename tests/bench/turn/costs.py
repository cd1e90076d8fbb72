"""What a call costs, in CPU and in memory, with parts that cost nothing themselves.

The callers share the process: what they cost is measured beside it, with nobody who hears them, and taken off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import mean
from typing import Any

from tests.bench.turn.meters import cpu_share, lateness, resident_bytes
from tests.bench.turn.sessions import ENDLESS, SHORT, Ears, Session, in_calls, scripted, sending
from tests.bench.turn.wire import SPEECH

from greenroom.agent.audio import FRAME_SECONDS

WINDOW_SECONDS = 4.0
WINDOWS = 4
SETTLE_SECONDS = 1.5


async def callers_alone(calls: Sequence[Session], seconds: float) -> float:
    """Seconds of CPU a second of callers whom nobody hears."""
    for call in calls:
        call.connection.deaf = True
    try:
        return await cpu_share(asyncio.sleep(seconds))
    finally:
        for call in calls:
            call.connection.deaf = False


async def alone_and_heard(calls: Sequence[Session]) -> tuple[float, float]:
    """Of callers whom nobody hears, and of callers and agents: by turns, so that what else the machine does meets
    both."""
    alone, heard = [], []
    for _ in range(WINDOWS):
        alone.append(await callers_alone(calls, 1.0))
        heard.append(await cpu_share(asyncio.sleep(1.0)))
    return mean(alone), mean(heard)


async def idle_and_speaking(sessions: int, ears: Ears) -> dict[str, Any]:
    """Seconds of CPU a session-second: nothing sent, silence sent, the agent speaking; and how late timers were."""
    async with in_calls([scripted(ears, ENDLESS) for _ in range(sessions)]) as calls:
        await asyncio.sleep(0.2)
        nothing = await cpu_share(asyncio.sleep(WINDOW_SECONDS))
        async with sending([call.caller for call in calls]):
            callers, idle = await alone_and_heard(calls)
            await asyncio.gather(*(call.caller.say(SPEECH) for call in calls))
            await asyncio.sleep(SETTLE_SECONDS)
            sent = sum(call.connection.frames for call in calls)
            speaking = await cpu_share(asyncio.sleep(WINDOW_SECONDS))
            sent = sum(call.connection.frames for call in calls) - sent
            late = await lateness(WINDOW_SECONDS)
    return {
        "nothing": nothing / sessions,
        "callers": callers / sessions,
        "silence": (idle - callers) / sessions,
        "speaking": (speaking - callers) / sessions,
        "spoken_seconds": sent * FRAME_SECONDS / sessions / WINDOW_SECONDS,
        "late": late,
    }


async def nobody_speaks(sessions: int) -> dict[str, Any]:
    """Seconds of CPU a second of agents whose callers send nothing, and bytes of each."""
    async with in_calls([scripted("vad", SHORT)]):
        before = resident_bytes()
        async with in_calls([scripted("vad", SHORT) for _ in range(sessions)]):
            await asyncio.sleep(1.0)
            bytes_each = (resident_bytes() - before) / sessions
            share = await cpu_share(asyncio.sleep(5.0))
    return {"share": share, "bytes": bytes_each}
