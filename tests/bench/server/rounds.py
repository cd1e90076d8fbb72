"""The two sides in turn, so that what else the machine does meets both."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.server import comparison
from tests.bench.server.sides import Figures, Redis, Side, running
from tests.interop.environment import PEER, PeerMissing, peer_python

from greenroom_local.binaries import find_installed_redis
from greenroom_local.ports import LOOPBACK, free_ports

OURS, THEIRS = "greenroom", "vision_agents.core"
KINDS = ("starts", "http", "idle")


@dataclass(frozen=True, slots=True)
class Found:
    rows: list[comparison.Row]
    notes: list[str]

    def lines(self) -> list[str]:
        return [*comparison.lines(self.rows), *self.notes]

    def plain(self) -> dict[str, Any]:
        return {"rows": [row.plain() for row in self.rows], "notes": self.notes}


class Rounds:
    """`only` is one of KINDS. Where the package cannot be had, ours is measured alone and a note says so."""

    def __init__(self, rounds: int = 3, only: str | None = None) -> None:
        self._rounds = rounds
        self._kinds = KINDS if only is None else (only,)

    async def measured(self) -> Found:
        notes = []
        try:
            python = peer_python()
            sides = [Side("ours", OURS, python), Side("theirs", THEIRS, python)]
            notes.append(f"theirs: {PEER}; both by the same interpreter, with the same libraries")
        except PeerMissing as missing:
            sides = [Side("ours", OURS, Path(sys.executable))]
            notes.append(f"without {PEER}: {missing}")
        figures: defaultdict[str, list[Figures]] = defaultdict(list)
        async with redis_server() as redis:
            if redis is None:
                notes.append("without the rows on Redis: there is no redis-server here")
            for number in range(self._rounds):
                # Who goes first changes, too.
                for side in sides if number % 2 == 0 else reversed(sides):
                    print(f"bench: round {number + 1} of {self._rounds}, {side.name}", file=sys.stderr, flush=True)
                    figures[side.name].append(await self._one(side, redis))
        return Found(comparison.rows(figures["ours"], figures["theirs"]), notes)

    async def _one(self, side: Side, redis: Redis | None) -> Figures:
        found: Figures = {}
        if "starts" in self._kinds:
            found |= await side.starts(redis)
        if "http" in self._kinds:
            found |= await side.http()
        if "idle" in self._kinds:
            found |= await side.idle()
        return found


@contextlib.asynccontextmanager
async def redis_server() -> AsyncIterator[Redis | None]:
    """One that keeps nothing; None where none is to be had."""
    program = find_installed_redis()
    if program is None:
        yield None
        return
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        words = (str(program), "--port", str(port), "--bind", LOOPBACK, "--save", "", "--dir", folder)
        async with running(words, port, b"PING\r\n", b"+PONG"):
            yield Redis(port)
