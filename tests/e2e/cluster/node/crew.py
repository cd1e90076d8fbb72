"""The servers that a cluster rests on, and waiting for what they bring about: one that ends is the answer, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.cluster.model import ClusterFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from greenroom_core.clock import Clock
    from greenroom_local.children import ChildProcess

_WAIT_SECONDS = 180.0
_POLL_SECONDS = 0.1


class Crew:
    """Servers that are to run all the time; `logs` is the folder that a message names."""

    def __init__(self, logs: Path, clock: Clock) -> None:
        self._logs = logs
        self._clock = clock
        self._children: list[ChildProcess] = []

    def start(self, child: ChildProcess) -> None:
        child.start()
        self._children.append(child)

    def join(self, child: ChildProcess) -> None:
        """One that somebody else starts and ends."""
        self._children.append(child)

    async def end(self) -> None:
        """Kill those that still run: nothing of theirs is kept."""
        for child in self._children:
            await child.kill()

    async def until(self, what: str, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait until it holds. Raises ClusterFailed after three minutes, and at once when a server has ended."""
        try:
            async with self._clock.timeout(_WAIT_SECONDS):
                while not await holds():
                    self._check()
                    await self._clock.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise ClusterFailed(f"{_WAIT_SECONDS:.0f} s and not so: {what}; the logs are in {self._logs}") from None

    def _check(self) -> None:
        for child in self._children:
            if not child.running:
                name, log = child.command.name, child.command.log_file
                raise ClusterFailed(
                    f"{name} ended with exit status {child.exit_code}; its log {log} ends:\n{child.last_lines()}"
                )
