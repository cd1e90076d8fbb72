"""Pods that have given a session back, and how long each is left alone.

A pod has the last word on its slots. While it still looks free from outside (it leaves, but its readiness is not yet
known; its own count differs), binding to it again at once would only go to and fro.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom_operator.planning.values import RuntimeKey

_SHORTEST = timedelta(seconds=1)
_LONGEST = timedelta(seconds=60)
_FORGOTTEN_AFTER = timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class _Rest:
    runtime: RuntimeKey
    until: datetime
    length: timedelta


class Rests:
    def __init__(self) -> None:
        self._rests: dict[str, _Rest] = {}
        self._ended: set[str] = set()

    def returned(self, pod_uid: str, runtime: RuntimeKey, now: datetime) -> datetime:
        """The pod has given a session back; returns until when it rests: a second, then twice as long each time."""
        known = self._rests.get(pod_uid)
        if known is not None and now < known.until:
            return known.until  # several sessions came back together: that is one event
        length = _SHORTEST if known is None else min(2 * known.length, _LONGEST)
        self._rests[pod_uid] = _Rest(runtime, now + length, length)
        self._ended.discard(pod_uid)
        return now + length

    def resting(self, now: datetime) -> frozenset[str]:
        """The pods that are to be left alone now."""
        return frozenset(uid for uid, rest in self._rests.items() if now < rest.until)

    def ended(self, now: datetime) -> list[RuntimeKey]:
        """The runtimes of pods whose rest has ended since this was last asked."""
        over = [uid for uid, rest in self._rests.items() if now >= rest.until]
        fresh = [uid for uid in over if uid not in self._ended]
        runtimes = [self._rests[uid].runtime for uid in fresh]
        self._ended.update(fresh)
        for uid in over:
            if now >= self._rests[uid].until + _FORGOTTEN_AFTER:
                del self._rests[uid]
                self._ended.discard(uid)
        return runtimes
