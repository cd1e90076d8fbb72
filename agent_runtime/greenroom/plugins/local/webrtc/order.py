"""Packets of a stream in their order. Pure.

What comes in order goes on at once; a gap is waited for while :data:`PATIENCE` packets after it come, no longer.
"""

from __future__ import annotations

PATIENCE = 3
FAR = 100  # a jump of so many packets is another stream, not a loss
_HALF, _FULL = 1 << 15, 1 << 16


class Order:
    """Sequence numbers count modulo 65536."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._held: dict[int, bytes] = {}

    def put(self, number: int, payload: bytes) -> list[bytes | None]:
        """What may be played now; None stands for a packet that is lost."""
        if number == self._next and not self._held:
            self._next = (number + 1) % _FULL
            return [payload]
        ahead = 0 if self._next is None else (number - self._next + _HALF) % _FULL - _HALF
        if abs(ahead) >= FAR or self._next is None:
            return self._begin_anew(number, payload)
        if ahead < 0:
            return []
        self._held[number] = payload
        return self._released()

    def _begin_anew(self, number: int, payload: bytes) -> list[bytes | None]:
        self._held.clear()
        self._next = (number + 1) % _FULL
        return [payload]

    def _released(self) -> list[bytes | None]:
        released: list[bytes | None] = []
        assert self._next is not None
        while self._held and (self._next in self._held or len(self._held) >= PATIENCE):
            released.append(self._held.pop(self._next, None))
            self._next = (self._next + 1) % _FULL
        return released
