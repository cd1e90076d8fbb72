"""Sessions on a stock, and what of their processes is still there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom.limits import TimeLimits
from greenroom.notices import Assignment, Ended, Notice
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.isolation import ProcessStock

LIMITS = TimeLimits(start_timeout_seconds=30, leave_timeout_seconds=1.5)
DEADLINE_SECONDS = 60.0


class Session:
    """One life on the stock, begun at once."""

    def __init__(
        self, stock: ProcessStock, name: str = "s1", limits: TimeLimits = LIMITS, **parameters: object
    ) -> None:
        self.notices: list[Notice] = []
        self.life = stock.life(Assignment(name, "one", "default", parameters, limits), self.notices.append)
        self.running = asyncio.create_task(self.life.run())

    @property
    def kinds(self) -> list[str]:
        return [type(notice).__name__ for notice in self.notices]

    @property
    def tokens(self) -> float:
        assert self.life.agent is not None
        return self.life.agent.metrics.to_dict(["llm_output_tokens__total"])["llm_output_tokens__total"] or 0

    async def built(self) -> Session:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.life.start_settled.wait()
        assert self.life.agent is not None, self.life.ending
        return self

    async def joined(self) -> Session:
        await until(lambda: "Joined" in self.kinds)
        return self

    async def ended(self) -> Ended:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.running

    async def leave(self) -> Ended:
        self.life.leave(EndReason.CLOSE_REQUESTED)
        return await self.ended()

    async def goes_on(self) -> None:
        """Its agent talks, and the process still tells so."""
        before = self.tokens
        await until(lambda: self.tokens > before)
        assert self.life.ending is None


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not true():
            await asyncio.sleep(0.01)


def descendants(of: int) -> set[int]:
    """Processes below `of`, zombies too."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
            except OSError:
                continue
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in found | {of}} - found:
        found |= more
    return found


def is_running(pid: int) -> bool:
    """Not a zombie, and not gone."""
    try:
        return _stat(pid)[0] not in "ZX"
    except OSError:
        return False


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def _stat(pid: int) -> list[str]:
    """State, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
