"""Telling a human how long things take: one line that is rewritten on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

_TERMINAL_SECONDS = 0.1
_LOG_SECONDS = 15.0


@dataclass(slots=True)
class Progress:
    """Writes to `stream`; `now` gives seconds."""

    stream: TextIO
    now: Callable[[], float] = time.monotonic
    _open_line: bool = field(default=False, init=False)
    _last_update: float = field(default=float("-inf"), init=False)

    def say(self, line: str) -> None:
        """A line that stays."""
        self.clear()
        print(line, file=self.stream, flush=True)

    def update(self, text: str) -> None:
        """How far it is; shown often on a terminal, seldom elsewhere, and perhaps not at all."""
        terminal = self.stream.isatty()
        now = self.now()
        if now - self._last_update < (_TERMINAL_SECONDS if terminal else _LOG_SECONDS):
            return
        self._last_update = now
        if terminal:
            print(f"\r\x1b[K{text}", end="", file=self.stream, flush=True)
            self._open_line = True
        else:
            print(text, file=self.stream, flush=True)

    def clear(self) -> None:
        """Take the rewritten line away."""
        if self._open_line:
            print("\r\x1b[K", end="", file=self.stream, flush=True)
            self._open_line = False


def duration(seconds: float) -> str:
    """``45 s`` or ``3 min 05 s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def megabytes(count: int) -> str:
    """``12.3 MB``."""
    return f"{count / 1e6:.1f} MB"
