"""A store of checkpoints in memory, which several pods of a test share and which can be slow or away."""

from __future__ import annotations

import asyncio

from greenroom.checkpoints import Checkpoint, CheckpointStore


class MemoryCheckpoints(CheckpointStore):
    """`saves` are all that were carried out, at the loop's times `saved_at`; `asked` is what was asked for, in order.
    While it is `away` everything raises; while `silent` nothing is answered."""

    def __init__(self) -> None:
        self.held: dict[str, Checkpoint] = {}
        self.saves: list[tuple[str, Checkpoint]] = []
        self.saved_at: list[float] = []
        self.asked: list[str] = []
        self.away = False
        self.silent = False

    async def save(self, session: str, checkpoint: Checkpoint) -> None:
        await self._reached("save")
        held = self.held.get(session)
        if held is None or held.attempt <= checkpoint.attempt:
            self.held[session] = checkpoint
            self.saves.append((session, checkpoint))
            self.saved_at.append(asyncio.get_running_loop().time())

    async def load(self, session: str) -> Checkpoint | None:
        await self._reached("load")
        return self.held.get(session)

    async def forget(self, session: str) -> None:
        await self._reached("forget")
        self.held.pop(session, None)

    async def close(self) -> None:
        await self._reached("close")

    async def _reached(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise ConnectionError("there is no store at 10.0.0.9")
        if self.silent:
            await asyncio.Event().wait()
