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

import yaml
from tests.crds import install
from tests.fault.registry import chosen
from tests.fault.run import Report, run_all
from tests.fault.runner import Plan
from tests.fault.table import last_line, table

from greenroom_core.event_loop import loop_factory
from greenroom_local.binaries import find_binaries
from greenroom_local.control_plane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fault.case import Lineup

CRDS = Path(__file__).resolve().parents[2] / "crds"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    parser.add_argument("--tries", type=int, help="of each case, instead of its own number")
    parser.add_argument("--only", metavar="CASE", action="append", help="cases and lineups whose name has this in it")
    parser.add_argument("--short", action="store_true", help="each case once, outages of 8 s")
    parser.add_argument("--dir", type=Path, help="a folder for logs and journals, kept")
    options = parser.parse_args()
    lineups = chosen(options.only or [""])
    if not lineups:
        parser.error(f"no case has any of {options.only} in its name")
    plan = Plan(tries=options.tries or (1 if options.short else None), short=options.short, say=Told().say)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        report = runner.run(run(lineups, plan, options.dir))
    print("\n".join(["", *table(report.outcomes), "", *report.troubles(), last_line(report.outcomes)]), flush=True)
    return 1 if report.troubles() else 0


async def run(lineups: Sequence[Lineup], plan: Plan, kept: Path | None) -> Report:
    """All of them on one new control plane."""
    with tempfile.TemporaryDirectory(prefix="greenroom-fault-") as folder:
        directory = kept or Path(folder)
        async with ControlPlane(find_binaries(), directory / "plane", unsafe_no_fsync=True) as plane:
            for path in sorted(CRDS.glob("*.yaml")):
                await install(plane.admin, yaml.safe_load(path.read_text()))
            return await run_all(plane, directory, lineups, plan)


class Told:
    """Lines of progress with the seconds since the start."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def say(self, text: str) -> None:
        print(f"fault: {time.monotonic() - self._begun:4.0f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
