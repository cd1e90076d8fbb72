"""Where a conversation is shown: whole lines on standard output, and a prompt below them on a terminal."""

from __future__ import annotations

import io
import sys
from typing import TextIO, cast

PROMPT = "you: "
_ERASE = "\r\x1b[K"


class Screen:
    """`interactive`: a person sits before it and types, with `PROMPT` where they do."""

    def __init__(self, out: TextIO, *, interactive: bool) -> None:
        self.interactive = interactive
        self._out = out
        self._prompted = False

    def show(self, text: str) -> None:
        """One line. What is not printable in `text` is not printed: it may come from a model."""
        self.around(self._out, printable(text) + "\n")

    def prompt(self) -> None:
        """From now on the prompt stands in the last line."""
        if self.interactive:
            self._prompted = True
            self._out.write(PROMPT)
            self._out.flush()

    def entered(self) -> None:
        """The person ended their line: the terminal is in a new one, without a prompt."""
        self._prompted = False

    def farewell(self) -> None:
        """Nothing is typed any more."""
        if self._prompted:
            self._prompted = False
            self._out.write(_ERASE)
            self._out.flush()

    def around(self, stream: TextIO, text: str) -> None:
        """Writes whole lines to `stream`, which may be the same terminal, above the prompt."""
        prompted = self._prompted
        if prompted:
            self._out.write(_ERASE)
            self._out.flush()
        stream.write(text)
        stream.flush()
        if prompted:
            self._out.write(PROMPT)
            self._out.flush()


class Beside(io.TextIOBase):
    """A stream for log lines that share a terminal with `screen`."""

    def __init__(self, screen: Screen, stream: TextIO) -> None:
        self._screen = screen
        self._stream = stream

    @classmethod
    def standard_error(cls, screen: Screen) -> TextIO:
        """Standard error; as it is where it does not share a terminal with `screen`."""
        shared = screen.interactive and sys.stderr.isatty()
        return cast("TextIO", cls(screen, sys.stderr)) if shared else sys.stderr

    def write(self, text: str) -> int:
        self._screen.around(self._stream, text)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()


def printable(text: str) -> str:
    """`text` in one line without control characters, which could redraw a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
