"""`python -m tests.bench`: the tables of figures, and the same as JSON. All is measured in one run, the floor too.

The exit status is 0 when all starts came about and every promise held; missed targets are told, not failed.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop
import yaml
from tests.bench.floor import Floor
from tests.bench.report import Part, Report, write
from tests.bench.scenes import Scenes
from tests.bench.server.rounds import Rounds
from tests.bench.turn.scenes import measured as turn_measured
from tests.crds import install
from tests.stack import FleetPlan, Stack

from greenroom_local.binaries import Binaries, find_binaries
from greenroom_local.control_plane import ControlPlane

CRDS = Path(__file__).resolve().parents[2] / "crds"
FLEET = FleetPlan(pods=4, slots=100)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    disk = parser.add_mutually_exclusive_group()
    disk.add_argument("--unsafe-no-fsync", action="store_true", help="etcd does not wait for the disk")
    disk.add_argument("--both", action="store_true", help="once with etcd syncing, once without")
    parser.add_argument("--server-rounds", type=int, default=3, help="turns of each side of the server's rows; 0: none")
    parser.add_argument("--turn", choices=["with", "only", "without"], default="with", help="the rows of the turn")
    parser.add_argument("--out", type=Path, help="where the JSON goes (default bench-results/<time>.json)")
    options = parser.parse_args()
    out = options.out or Path("bench-results") / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    variants = [False, True] if options.both else [options.unsafe_no_fsync]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        binaries = find_binaries()
        reports = (
            []
            if options.turn == "only"
            else [runner.run(measured(binaries, unsafe_no_fsync=unsafe)) for unsafe in variants]
        )
        turn = told(runner.run(turn_measured())) if options.turn != "without" else None
        server_rounds = 0 if options.turn == "only" else options.server_rounds
        server = told(runner.run(Rounds(server_rounds).measured())) if server_rounds else None
    versions = {"etcd": binaries.etcd_version, "kubernetes": binaries.kubernetes_version}
    write(out, reports, versions, {"turn": turn, "server": server})
    print(f"figures in {out}")


async def measured(binaries: Binaries, *, unsafe_no_fsync: bool) -> Report:
    """One control plane, all scenes, the promises."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        directory = Path(folder)
        async with ControlPlane(binaries, directory / "plane", unsafe_no_fsync=unsafe_no_fsync) as plane:
            for path in sorted(CRDS.glob("*.yaml")):
                await install(plane.admin, yaml.safe_load(path.read_text()))
            stack = Stack(plane, directory, [FLEET])
            async with stack, Floor(plane, "floor") as floor:
                scenes = Scenes(stack, floor)
                await scenes.warm_up()
                say("lives")
                by_rest, by_kubectl = await scenes.lives(30)
                say("sequential starts")
                results = [await scenes.sequential(80)]
                for count in (60, 300):
                    say(f"{count} at once")
                    results.append(await scenes.at_once(count))
                say("arrivals")
                results.append(await scenes.arrivals())
                say("closes")
                results.append(await scenes.closes(60))
                say("the invariant checker")
                stack.judged = False  # here and now, with what it found in the table
                await stack.judge()
                sessions = len({event.uid for event in stack.recorder.events if event.kind == "session"})
    promises = f"promises held: {sessions} sessions, {len(stack.recorder.events)} events"
    report = Report("without fsync" if unsafe_no_fsync else "syncing", results, by_rest, by_kubectl, promises)
    print("\n".join(["", *report.lines(), ""]), flush=True)
    return report


def told(part: Part) -> dict[str, Any]:
    """Its table, printed; and the same for the JSON."""
    print("\n".join(["", *part.lines(), ""]), flush=True)
    return part.plain()


def say(text: str) -> None:
    print(f"bench: {text}", flush=True)


if __name__ == "__main__":
    main()
