"""Running one of the machine's own programs to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence


class CommandFailed(Exception):
    """It did not run or ended badly; the message holds its words and what it said."""


async def run(words: Sequence[str], *, given: str | None = None, seconds: float = 120.0) -> str:
    """Its output. Raises :class:`CommandFailed`; a program that takes longer than `seconds` is killed."""
    pipe = asyncio.subprocess.PIPE
    stdin = pipe if given is not None else asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=stdin, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise CommandFailed(f"{words[0]} does not run: {error}") from None
    try:
        async with asyncio.timeout(seconds):
            output, errors = await process.communicate(given.encode() if given is not None else None)
    except TimeoutError:
        raise CommandFailed(f"{' '.join(words)}: no end after {seconds:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = (errors or output).decode(errors="replace").strip()
        raise CommandFailed(f"{' '.join(words)}: exit status {process.returncode}: {said[-2000:]}")
    return output.decode(errors="replace")
