"""`make simulate`: many days, or one with everything that happened in it.

SEEDS (5000) says how many, START (0) from which, SECONDS for how long at most. One seed alone tells its story; KEPT
names a kept script to play instead; SHRINK=1 leaves out of a broken day what it does not need, and prints the rest.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.simulation.day import play
from tests.simulation.drawing import draw
from tests.simulation.script import Script, decoded, encoded
from tests.simulation.seeds import play_all, quieten
from tests.simulation.shrinking import shrunk

_PROGRESS_SECONDS = 10.0


def main() -> int:
    start, seeds = int(os.environ.get("START", "0")), int(os.environ.get("SEEDS", "5000"))
    seconds = float(os.environ.get("SECONDS", "inf"))
    if kept := os.environ.get("KEPT"):
        return _tell(decoded(Path(kept).read_bytes()))
    if seeds == 1:
        return _tell(draw(start))
    return _many(start, seeds, seconds)


def _many(start: int, seeds: int, seconds: float) -> int:
    begun = told = time.monotonic()
    days = sessions = broken = 0
    for outcome in play_all(range(start, start + seeds)):
        days, sessions = days + 1, sessions + outcome.sessions
        if outcome.broken:
            broken += 1
            print(outcome, flush=True)
        if time.monotonic() - told > _PROGRESS_SECONDS:
            told = time.monotonic()
            print(f"{days} days, {sessions} sessions, {broken} broken, {told - begun:.0f} s", flush=True)
        if time.monotonic() - begun > seconds:
            break
    print(f"simulation: {days} days, {broken} broken")
    return 1 if broken else 0


def _tell(script: Script) -> int:
    quieten()
    if os.environ.get("SHRINK"):
        script = shrunk(script)
        print(encoded(script).decode())
    for event in script.events:
        print(event)
    outcome = play(script, told=True)
    print(*outcome.journal.lines or (), *outcome.broken, sep="\n")
    print(f"simulation: 1 days, {int(bool(outcome.broken))} broken")
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
