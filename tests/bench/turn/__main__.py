"""`python -m tests.bench.turn`: the turn's rows alone."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from tests.bench.report import machine
from tests.bench.turn.scenes import PARTS, measured


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.turn", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one kind of rows")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    options = parser.parse_args()
    found = asyncio.run(measured(options.only))
    print("\n".join(found.lines()))
    if options.out is not None:
        options.out.write_text(json.dumps({"machine": machine(), "turn": found.plain()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
