"""`make image`: arguments in, an exit status out."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from greenroom_local.image.build import ARCHIVE, build, prepare
from greenroom_local.image.commands import Unbuildable


def main() -> None:
    """Build, or only prepare."""
    parser = argparse.ArgumentParser(prog="python -m greenroom_local.image", description=__doc__)
    parser.add_argument("--image", default="greenroom:dev", metavar="NAME", help="its name (default: %(default)s)")
    parser.add_argument("--archive", type=Path, default=ARCHIVE, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--prepare", action="store_true", help="only what a build needs: programs and a base")
    options = parser.parse_args()
    try:
        if options.prepare:
            asyncio.run(prepare(_say, options.archive))
        else:
            asyncio.run(build(options.image, options.archive, _say))
    except Unbuildable as problem:
        sys.exit(f"image: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


def _say(line: str) -> None:
    print(f"image: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
