"""`python -m tests.bench.scale`: what grows with the number of pods and sessions, and what does not.

The pods are real objects, made by the operator; nodes and agents behind them are played (see `node` and `crowd`). The
exit status is 0 when everything came about and nothing was wrong; missed targets are told, not failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
import yaml
from tests.bench.floor import Floor
from tests.bench.report import machine
from tests.bench.scale import dense, starts, stillness
from tests.bench.scale.field import Field
from tests.bench.scale.report import Report
from tests.bench.scale.turnover import Turnovers
from tests.crds import install

from greenroom_local.binaries import Binaries, find_binaries
from greenroom_local.control_plane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Iterable

CRDS = Path(__file__).resolve().parents[3] / "crds"
SLOTS = 10
SPARE_PODS = 30
"""Beside those that the live sessions fill: for the starts that are measured."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--levels", type=int, nargs="+", default=[100, 1_000, 3_000, 10_000], help="live sessions")
    parser.add_argument("--pods", type=int, default=1_000, help="pods of ten slots that the last level fills")
    parser.add_argument("--starts", type=int, default=80, help="starts measured at each level")
    parser.add_argument("--tries", type=int, default=3, help="restarts, failovers and handovers, of each so many")
    parser.add_argument(
        "--rest-seconds", type=float, default=stillness.REST_SECONDS, help="how long to look on at rest"
    )
    parser.add_argument("--dense-slots", type=int, default=dense.SLOTS, help="slots of the one dense pod; 0: none")
    parser.add_argument("--fsync", action="store_true", help="etcd waits for the disk at each write")
    parser.add_argument("--out", type=Path, help="where the JSON goes (default bench-results/scale-<time>.json)")
    options = parser.parse_args()
    out = options.out or Path("bench-results") / f"scale-{time.strftime('%Y%m%d-%H%M%S')}.json"
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(measured(find_binaries(), options))
    print("\n".join(["", *report.lines(), ""]), flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": machine(), **report.plain()}, indent=1) + "\n")
    print(f"figures in {out}")


async def measured(binaries: Binaries, options: argparse.Namespace) -> Report:
    """One control plane: the large fleet first, then, beside its sessions, the dense pod."""
    report = Report(options.pods + SPARE_PODS, "syncing" if options.fsync else "without fsync")
    report.conditions["load_average_before"] = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="greenroom-scale-") as folder:
        directory = Path(folder)
        async with ControlPlane(binaries, directory / "plane", unsafe_no_fsync=not options.fsync) as plane:
            for path in sorted(CRDS.glob("*.yaml")):
                await install(plane.admin, yaml.safe_load(path.read_text()))
            async with Floor(plane, "floor") as floor:
                await large(plane, directory, floor, options, report)
                if options.dense_slots:
                    say(f"one pod of {options.dense_slots} slots")
                    report.dense = await dense.measured(plane, directory, floor, options.dense_slots)
    report.conditions["load_average_after"] = os.getloadavg()
    return report


async def large(
    plane: ControlPlane, directory: Path, floor: Floor, options: argparse.Namespace, report: Report
) -> None:
    """The fleet of many pods, level by level; the last level is looked at in every way."""
    pods = options.pods + SPARE_PODS
    say(f"{pods} pods")
    begun = time.monotonic()
    async with Field(plane, directory, pods=pods, slots=SLOTS, say=say) as field:
        report.conditions["pods_made_in_seconds"] = round(time.monotonic() - begun, 1)
        levels: Iterable[int] = sorted(options.levels)
        for live in levels:
            missing = live - len(field.witness.live)
            seconds = await field.fill(live)
            field.check()
            if live == max(levels) and options.rest_seconds:
                say(f"{live} live sessions at rest")
                report.stillness = await stillness.measured(field, options.rest_seconds)
            say(f"starts beside {live} live sessions")
            report.levels.append(await starts.measured(field, floor, live, options.starts, missing / seconds))
            field.check()
        turnovers = Turnovers(field)
        if options.tries:
            say("restarts")
            report.turnovers["restart"] = await turnovers.restarts(options.tries)
            say("the leader killed")
            report.turnovers["SIGKILL"] = await turnovers.failovers(options.tries)
            say("the leader told to end")
            report.turnovers["SIGTERM"] = await turnovers.handovers(options.tries)
        field.check()
        report.conditions["operator_mb_after_all"] = stillness.memory_mb(field.operators[0].process.pid)
        say(f"{len(field.witness.seen)} sessions, nothing wrong")


def say(text: str) -> None:
    print(f"bench-scale: {text}", flush=True)


if __name__ == "__main__":
    main()
