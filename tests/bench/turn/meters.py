"""What this process uses, read from within."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
from collections.abc import Awaitable
from pathlib import Path
from time import perf_counter, process_time

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICK_SECONDS = 0.01


async def cpu_share(window: Awaitable[object]) -> float:
    """Seconds of CPU a second while `window` lasts."""
    cpu, began = process_time(), perf_counter()
    await window
    return (process_time() - cpu) / (perf_counter() - began)


async def lateness(seconds: float) -> list[float]:
    """By how much timers of the loop were late. Up to one millisecond is the loop's own grain."""
    late, end = [], perf_counter() + seconds
    while (slept_at := perf_counter()) < end:
        await asyncio.sleep(TICK_SECONDS)
        late.append(max(0.0, perf_counter() - slept_at - TICK_SECONDS))
    return late


def resident_bytes(*, trimmed: bool = False) -> int:
    """After a collection; `trimmed`: and after the allocator gave back what it keeps for later."""
    gc.collect()
    if trimmed and sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
