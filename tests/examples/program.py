"""An example as a process, as its reader would start it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
LINE_SECONDS = 180.0
END_SECONDS = 60.0


class Program:
    """``async with Program("basic.py", "serve") as program:``; killed on leaving if it still runs.

    It is given no key and nothing else of this process's environment that would change what it does.
    """

    def __init__(
        self, file: str | Path, *words: str, environment: Mapping[str, str] | None = None, before: tuple[str, ...] = ()
    ) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        self._environment = {**kept, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._command = (*(before or (sys.executable,)), str(EXAMPLES / file), *words)
        self.lines: list[str] = []

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._said = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    async def line(self, pattern: str, seconds: float = LINE_SECONDS) -> re.Match[str]:
        """The first line that has `pattern` in it, as soon as there is one."""
        found: re.Match[str] | None = None

        def there() -> bool:
            nonlocal found
            found = next(filter(None, (re.search(pattern, line) for line in self.lines)), None)
            return found is not None or self._reading.done()

        try:
            async with asyncio.timeout(seconds), self._said:
                await self._said.wait_for(there)
        except TimeoutError:
            raise AssertionError(f"{pattern!r} was not said in {seconds} s:\n{self.output}") from None
        assert found is not None, f"it ended without saying {pattern!r}:\n{self.output}"
        return found

    async def type(self, text: str) -> None:
        """On its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        await self._process.stdin.drain()

    async def end(self, number: signal.Signals | None = signal.SIGTERM, seconds: float = END_SECONDS) -> int:
        """Send a signal (None: none) and wait for the exit status."""
        if number is not None:
            self._process.send_signal(number)
        try:
            async with asyncio.timeout(seconds):
                status = await self._process.wait()
                await self._reading
        except TimeoutError:
            raise AssertionError(f"it has not ended in {seconds} s:\n{self.output}") from None
        return status

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            await self._add(line.decode(errors="replace").rstrip())
        await self._add(None)

    async def _add(self, line: str | None) -> None:
        async with self._said:
            if line is not None:
                self.lines.append(line)
            self._said.notify_all()
