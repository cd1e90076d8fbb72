"""`python -m tests.fault`: faults on the real control plane under load, a table of what came of them, and one line.

The exit status is 0 when nothing was lost, doubled, stuck or cut, and every case could be made to happen.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
import yaml
from tests.crds import install
from tests.fault.registry import chosen
from tests.fault.runner import Outcome, Plan, run_lineup
from tests.fault.table import all_well, last_line, table, troubles

from greenroom_local.binaries import find_binaries
from greenroom_local.control_plane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fault.case import Lineup

CRDS = Path(__file__).resolve().parents[2] / "crds"
_TOGETHER = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    parser.add_argument("--tries", type=int, help="of each case, instead of its own number")
    parser.add_argument("--only", metavar="CASE", help="cases and lineups whose name has this in it")
    parser.add_argument("--short", action="store_true", help="each case once, outages of 8 s")
    parser.add_argument("--dir", type=Path, help="a folder for logs and journals, kept")
    options = parser.parse_args()
    lineups = chosen(options.only)
    if not lineups:
        parser.error(f"no case has {options.only!r} in its name")
    plan = Plan(tries=options.tries or (1 if options.short else None), short=options.short, say=Told().say)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcomes, tripped = runner.run(run(lineups, plan, options.dir))
    print("\n".join(["", *table(outcomes), "", *troubles(outcomes), *tripped, last_line(outcomes)]), flush=True)
    return 0 if all_well(outcomes) and not tripped else 1


async def run(lineups: Sequence[Lineup], plan: Plan, kept: Path | None) -> tuple[list[Outcome], list[str]]:
    """All of them on one control plane: those that hurt only themselves two at a time, then the others."""
    outcomes: dict[str, list[Outcome]] = {lineup.name: [] for lineup in lineups}
    tripped: list[str] = []
    lanes = asyncio.Semaphore(_TOGETHER)

    async def go(plane: ControlPlane, directory: Path, lineup: Lineup) -> None:
        async with lanes:
            try:
                async for outcome in run_lineup(plane, directory / lineup.name, lineup, plan):
                    outcomes[lineup.name].append(outcome)
                    plan.say(f"{outcome.name}: {summary(outcome)}")
            except Exception as error:
                tripped.append(f"{lineup.name}: {type(error).__name__}: {error}")

    with tempfile.TemporaryDirectory(prefix="greenroom-fault-") as folder:
        directory = kept or Path(folder)
        async with ControlPlane(find_binaries(), directory / "plane", unsafe_no_fsync=True) as plane:
            for path in sorted(CRDS.glob("*.yaml")):
                await install(plane.admin, yaml.safe_load(path.read_text()))
            await asyncio.gather(*(go(plane, directory, lineup) for lineup in lineups if not lineup.alone))
            for lineup in lineups:
                if lineup.alone:
                    await go(plane, directory, lineup)
    return [outcome for lineup in lineups for outcome in outcomes[lineup.name]], tripped


def summary(outcome: Outcome) -> str:
    found = ", ".join(f"{len(found)} {word}" for word, found in outcome.findings.items() if found)
    end = f"; stopped: {outcome.trouble.splitlines()[0]}" if outcome.trouble else ""
    return f"{outcome.tries} made in {outcome.seconds:.0f} s, {outcome.sessions} sessions, {found or 'all well'}{end}"


class Told:
    """Lines of progress with the seconds since the start."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def say(self, text: str) -> None:
        print(f"fault: {time.monotonic() - self._begun:4.0f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
