"""What the scripted agents say of themselves: the truth about who was in which call, apart from any status."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """`at`: seconds of the machine's monotonic clock. `event`: built, joined or left."""

    at: float
    event: str
    session: str
    pod: str
    process: int


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def lines(self) -> list[Line]:
        """All so far, of real sessions only: a warm-up's agent has no session."""
        lines = [Line(**json.loads(line)) for line in self.path.read_text().splitlines()]
        return [line for line in lines if line.session != "nameless"]

    def of(self, session: str) -> list[Line]:
        return [line for line in self.lines() if line.session == session]

    def at(self, session: str, event: str) -> float:
        """When it happened. Raises LookupError when it did not."""
        for line in self.of(session):
            if line.event == event:
                return line.at
        raise LookupError(f"session {session} has not {event}: {[line.event for line in self.of(session)]}")

    def doubles(self) -> list[str]:
        """Agents of one session that were there at the same time; a process that was killed cannot say that it left,
        so its agent counts until the next one is built."""
        told = []
        by_session: dict[str, list[Line]] = defaultdict(list)
        for line in sorted(self.lines(), key=lambda line: line.at):
            by_session[line.session].append(line)
        for session, lines in by_session.items():
            present: int | None = None
            for line in lines:
                if line.event == "built":
                    if present == line.process:
                        told.append(f"session {session} has two agents in process {present}")
                    present = line.process
                elif line.process != present:
                    told.append(f"session {session}: process {line.process} {line.event} after {present} took over")
                elif line.event == "left":
                    present = None
        return told
