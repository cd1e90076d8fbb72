"""Running the programs that make an image: their output goes into one log, their end is awaited."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TAIL_LINES = 20
_LEAVE_SECONDS = 10.0


class Unbuildable(Exception):
    """No image can be built; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Log:
    """Appends what programs say to `file`."""

    file: Path

    async def run(self, *words: str, environment: Mapping[str, str] | None = None) -> None:
        """Run to the end. Raises Unbuildable, with the last lines, where the program fails or is not there."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("ab") as stream:
            stream.write(f"$ {' '.join(words)}\n".encode())
            stream.flush()
            status = await _status(words, stream.fileno(), environment)
        if status:
            raise Unbuildable(f"{' '.join(words[:2])} … failed; the end of {self.file}:\n{self._tail()}")

    def _tail(self) -> str:
        return "\n".join(self.file.read_text(errors="replace").splitlines()[-_TAIL_LINES:])


async def _status(words: tuple[str, ...], output: int, environment: Mapping[str, str] | None) -> int:
    try:
        # A session of its own: a Ctrl-C reaches us first, and the whole group is ended from here.
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise Unbuildable(f"{words[0]} is not installed here") from None
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            await asyncio.shield(_end(process))


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await process.wait()
                return


async def answers(*words: str) -> str | None:
    """What a quick question prints; None where the program is not there or says no."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except FileNotFoundError:
        return None
    output, _ = await process.communicate()
    return output.decode().strip() if process.returncode == 0 else None
