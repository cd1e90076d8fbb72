"""Starts under an Idempotency-Key: the same key on the same path gives the same session, on this node.

Nothing of it is shared with other nodes or outlives the process.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from greenroom_api.backend import (
    KeyReused,
    Leaving,
    LimitReached,
    NoSlot,
    RequestRefused,
    StartOutcome,
    StartRequest,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from greenroom_core.clock import Clock

KEPT_SECONDS = 3600.0
"""How long a key is known after its request came."""

KEPT_AT_MOST = 10_000

_Place = tuple[str, str, str]  # caller, call id, key
_canonical = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    request_hash: bytes
    came_at: float
    task: asyncio.Task[StartOutcome]


class KeyedStarts:
    """`start` runs a request; a client that goes away ends only its own wait, never the start."""

    def __init__(self, start: Callable[[StartRequest], Awaitable[StartOutcome]], clock: Clock) -> None:
        self._start = start
        self._clock = clock
        self._kept: OrderedDict[_Place, _Kept] = OrderedDict()
        self._running: set[asyncio.Task[StartOutcome]] = set()

    async def start(self, request: StartRequest) -> StartOutcome:
        place = (request.caller, request.call_id, request.idempotency_key or "")
        asked = _hash(request)
        self._forget_old()
        kept = self._kept.get(place)
        if kept is None:
            kept = self._kept[place] = _Kept(asked, self._clock.boot(), self._spawn(place, request))
        elif kept.request_hash != asked:
            return KeyReused()
        return await asyncio.shield(kept.task)

    async def settled(self) -> None:
        """Returns when no start is under way any longer."""
        while self._running:
            await asyncio.wait(self._running)

    def _spawn(self, place: _Place, request: StartRequest) -> asyncio.Task[StartOutcome]:
        async def run() -> StartOutcome:
            return await self._start(request)

        def ended(task: asyncio.Task[StartOutcome]) -> None:
            self._running.discard(task)
            kept = self._kept.get(place)
            if kept is not None and kept.task is task and not _stands(task):
                del self._kept[place]

        task = asyncio.create_task(run(), name=f"keyed start on call {request.call_id}")
        self._running.add(task)
        task.add_done_callback(ended)
        return task

    def _forget_old(self) -> None:
        horizon = self._clock.boot() - KEPT_SECONDS
        while self._kept:
            place, oldest = next(iter(self._kept.items()))
            if oldest.came_at >= horizon and len(self._kept) < KEPT_AT_MOST:
                return
            del self._kept[place]


def _stands(task: asyncio.Task[StartOutcome]) -> bool:
    """A start that was refused leaves nothing behind: its key may try again."""
    if task.cancelled() or task.exception() is not None:
        return False
    return not isinstance(task.result(), LimitReached | NoSlot | Leaving | RequestRefused)


def _hash(request: StartRequest) -> bytes:
    asked = replace(request, idempotency_key=None, caller="", respond_async=False)
    return hashlib.sha256(_canonical.encode(asked)).digest()
