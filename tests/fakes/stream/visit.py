"""A caller with one thing to say: comes, lets the agent greet, says it, hears the answer, ends the call."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.stream.room import Room
    from tests.fakes.stream.seat import Seat

GREETING_SECONDS = 20.0  # an agent that has said nothing by then waits to be spoken to; a busy machine takes its time
PAUSE_SECONDS = 0.8  # the agent is done when it has been silent for so long


async def visit(room: Room, pcm: bytes) -> bytes:
    """Wait for an agent, say `pcm` (16 kHz, 16-bit, mono), and return what was heard in answer."""
    caller = await room.enter("alice", "Alice")
    seat = await room.agent()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GREETING_SECONDS):
            await seat.ear.until(lambda ear: ear.quiet_seconds > 0)
    if seat.ear.quiet_seconds > 0:
        await _done(seat)
    said_from = len(seat.ear.pcm)
    await caller.speak(pcm)
    said_until = len(seat.ear.pcm)
    await seat.ear.until(lambda ear: ear.sounds_after(said_until))
    await _done(seat)
    await room.leave(caller)
    await room.end()
    return bytes(seat.ear.pcm[said_from:])


async def _done(seat: Seat) -> None:
    await seat.ear.until(lambda ear: ear.quiet_seconds >= PAUSE_SECONDS)
