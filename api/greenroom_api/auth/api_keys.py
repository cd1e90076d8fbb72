"""Callers by keys from a folder, as a Secret is mounted: a file for each caller.

billing      the file's name is the caller's
-------
3xAmPl3…     the first line is the key, at least 20 characters
view list    words after it are what the caller may; none: everything
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from greenroom_api.auth.gate import Act, Caller, Unrecognised, acts

if TYPE_CHECKING:
    from pathlib import Path

    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.api.auth")

SHORTEST_KEY = 20
READ_AGAIN_SECONDS = 5.0


class KeyGate:
    """Reads the folder again every few seconds, so that a key that is taken out of the Secret ends to count."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._read_at = float("-inf")
        self._callers: dict[bytes, Caller] = {}
        self._told: set[str] = set()

    async def caller(self, token: str) -> Caller:
        # Looked up by its hash, so that the time it takes says nothing about the keys.
        found = self._known().get(_digest(token))
        if found is None:
            raise Unrecognised("no caller has this key")
        return found

    async def may(self, caller: Caller, act: Act) -> bool:
        return act in caller.may

    def _known(self) -> dict[bytes, Caller]:
        now = self._clock.boot()
        if now - self._read_at >= READ_AGAIN_SECONDS:
            self._read_at = now
            try:
                self._callers = self._read()
            except OSError as error:
                self._tell(f"the keys in {self._folder} cannot be read: {error.strerror}")
        return self._callers

    def _read(self) -> dict[bytes, Caller]:
        found = {}
        for path in sorted(self._folder.iterdir()):
            if path.name.startswith(".") or not path.is_file():  # what a mounted Secret has beside its files
                continue
            key, *words = path.read_text().split() or [""]
            if len(key) < SHORTEST_KEY:
                self._tell(f"the key of {path.name} is shorter than {SHORTEST_KEY} characters, and does not count")
                continue
            found[_digest(key)] = Caller(path.name, acts(words or ["*"]))
        return found

    def _tell(self, problem: str) -> None:
        """Once each."""
        if problem not in self._told:
            self._told.add(problem)
            logger.error("%s", problem)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
