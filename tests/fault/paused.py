"""A process group that stands still and goes on."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_STOPPED_SECONDS = 5.0


@asynccontextmanager
async def paused(process: int) -> AsyncIterator[None]:
    """SIGSTOP to the group of this number, in which it is known to stand; SIGCONT after."""
    os.killpg(process, signal.SIGSTOP)
    try:
        async with asyncio.timeout(_STOPPED_SECONDS):
            while _state(process) != "T":
                await asyncio.sleep(0.01)
        yield
    finally:
        os.killpg(process, signal.SIGCONT)


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
