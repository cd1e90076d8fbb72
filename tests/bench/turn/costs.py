"""What a call costs, in CPU and in memory, with parts that cost nothing themselves.

The callers share the process: what they cost is measured before, with callers who talk to nobody, and taken off.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tests.bench.turn.meters import cpu_share, lateness, resident_bytes
from tests.bench.turn.sessions import ENDLESS, SHORT, Ears, in_calls, scripted, sending
from tests.bench.turn.wire import SPEECH, Caller

WINDOW_SECONDS = 4.0
SETTLE_SECONDS = 1.5


async def callers_alone(count: int, seconds: float) -> float:
    """Seconds of CPU a second of callers whom nobody hears."""
    async with sending([Caller(lambda pcm: None) for _ in range(count)]):
        await asyncio.sleep(0.2)
        return await cpu_share(asyncio.sleep(seconds))


async def idle_and_speaking(sessions: int, ears: Ears) -> dict[str, Any]:
    """Seconds of CPU a session-second: nothing sent, silence sent, the agent speaking; and how late timers were."""
    alone = await callers_alone(sessions, 3.0)
    found: dict[str, Any] = {"callers": alone / sessions}
    async with in_calls([scripted(ears, ENDLESS) for _ in range(sessions)]) as calls:
        await asyncio.sleep(0.2)
        found["nothing"] = await cpu_share(asyncio.sleep(WINDOW_SECONDS)) / sessions
        async with sending([call.caller for call in calls]):
            await asyncio.sleep(0.2)
            found["silence"] = (await cpu_share(asyncio.sleep(WINDOW_SECONDS)) - alone) / sessions
            await asyncio.gather(*(call.caller.say(SPEECH) for call in calls))
            await asyncio.sleep(SETTLE_SECONDS)
            before = [call.connection.frames for call in calls]
            found["speaking"] = (await cpu_share(asyncio.sleep(WINDOW_SECONDS)) - alone) / sessions
            found["frames"] = min(call.connection.frames - sent for call, sent in zip(calls, before, strict=True))
            found["late"] = await lateness(WINDOW_SECONDS)
    return found


async def nobody_speaks(sessions: int) -> dict[str, Any]:
    """Seconds of CPU a second of agents whose callers send nothing, and bytes of each."""
    async with in_calls([scripted("vad", SHORT)]):
        before = resident_bytes()
        async with in_calls([scripted("vad", SHORT) for _ in range(sessions)]):
            await asyncio.sleep(1.0)
            bytes_each = (resident_bytes() - before) / sessions
            share = await cpu_share(asyncio.sleep(5.0))
    return {"share": share, "bytes": bytes_each}
