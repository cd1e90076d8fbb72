"""Lines from standard input, as they are typed or piped. Knows nothing of what they mean."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_PIECE_BYTES = 65_536
_LONGEST_LINE_BYTES = 1_048_576


class Lines:
    """The lines of the file `descriptor`, a terminal, a pipe or a plain file, which stays open.

    `typed`: it is a terminal, so a person ends it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = bytearray()
        self._over = False
        self.typed = os.isatty(descriptor)

    async def read(self) -> AsyncGenerator[str, None]:
        """Each line without its end; returns at the end of the input. Empty lines are passed over."""
        while not self._over:
            await self._readable()
            for line in self._taken():
                if text := line.decode(errors="replace").strip():
                    yield text

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        try:
            loop.add_reader(self._descriptor, readable.set)
        except PermissionError:
            return  # a plain file, or none at all: its content is there at once
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._descriptor)

    def _taken(self) -> list[bytes]:
        try:
            piece = os.read(self._descriptor, _PIECE_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            piece = b""  # the terminal is gone
        self._over = not piece
        self._rest += piece
        if self._over or len(self._rest) > _LONGEST_LINE_BYTES:
            lines = [bytes(self._rest)]
            self._rest.clear()
            return lines
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        return lines
