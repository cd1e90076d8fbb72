"""A program at a terminal of its own: what it shows is read, and keys are pressed."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

PATIENCE_SECONDS = 180.0
CTRL_C = "\x03"
CTRL_D = "\x04"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    """`shown` is all that came so far, without escape sequences."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.raw = ""
        self._seen = 0
        self._ended: int | None = None
        self._process, self._screen = pty.fork()
        if self._process == 0:  # pragma: no cover - the child
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)  # what a shell has ignored for a job in the background
            os.execve(sys.executable, [sys.executable, *words], {**os.environ, **(environment or {})})

    @property
    def shown(self) -> str:
        return _ESCAPES.sub("", self.raw).replace("\r", "")

    def until(self, pattern: str) -> re.Match[str]:
        """The next match of `pattern` after the one before."""
        match = self._match(pattern, self._seen)
        self._seen = match.end()
        return match

    def anywhere(self, pattern: str) -> re.Match[str]:
        """A match of `pattern`, whatever came before it: several processes write side by side."""
        return self._match(pattern, 0)

    def _match(self, pattern: str, start: int) -> re.Match[str]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (match := re.compile(pattern).search(self.shown, start)) is None:
            assert self._read(deadline), f"{pattern!r} never came: {self.shown!r}"
        return match

    def press(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def type(self, line: str) -> None:
        self.press(line + "\n")

    def kill(self, number: signal.Signals) -> None:
        os.kill(self._process, number)

    def status(self) -> int:
        """The exit status, when the program has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._read(deadline):
            pass
        return self._reap()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ended is None:
            os.kill(self._process, signal.SIGKILL)
            self._reap()
        os.close(self._screen)

    def _read(self, deadline: float) -> bool:
        """Whether more came before the end of the program."""
        ready, _, _ = select.select([self._screen], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing more came in time: {self.shown!r}"
        try:
            piece = os.read(self._screen, 65_536)
        except OSError:  # what Linux says when nobody has the other side open
            return False
        self.raw += piece.decode(errors="replace")
        return bool(piece)

    def _reap(self) -> int:
        if self._ended is None:
            self._ended = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
        return self._ended


def piped(
    words: Sequence[str], text: str | None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The program without a terminal, `text` on its standard input."""
    return subprocess.run(
        [sys.executable, *words],
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
        timeout=PATIENCE_SECONDS,
        check=False,
    )
