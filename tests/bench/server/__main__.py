"""`python -m tests.bench.server`: the server's rows alone."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import uvloop
from tests.bench.server.rounds import Rounds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.server", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="each side's turns, one after the other (default 3)")
    parser.add_argument("--only", choices=["starts", "http", "idle"], help="one kind of rows")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(Rounds(options.rounds, options.only).measured())
    print("\n".join(found.lines()))
    if options.out is not None:
        options.out.write_text(json.dumps(found.plain(), indent=1) + "\n")


if __name__ == "__main__":
    main()
