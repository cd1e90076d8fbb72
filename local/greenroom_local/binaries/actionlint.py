"""actionlint, for `make check`: the cache, else a build of some seconds. Nothing else here needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from greenroom_local.binaries import cache, pins
from greenroom_local.binaries.build import BuildFailed, build_actionlint
from greenroom_local.binaries.progress import Progress
from greenroom_local.binaries.search import NotFound


def find_actionlint(environment: Mapping[str, str] = os.environ, progress: Progress | None = None) -> Path:
    """The pinned one, built if it is not there; another version would find other faults. Raises :class:`NotFound`."""
    progress = progress or Progress(sys.stderr)
    program = cache.actionlint_folder(environment) / "actionlint"
    if program.exists():
        return program
    if environment.get("GREENROOM_OFFLINE", "") not in ("", "0"):
        raise NotFound(f"GREENROOM_OFFLINE is set and there is no actionlint here: {_way_out(program)}.")
    try:
        with cache.alone(environment, lambda: progress.say("another process is fetching programs; waiting for it")):
            # Whoever held the lock before us may have been after the same.
            if not program.exists():
                with cache.staging(program.parent) as stage:
                    build_actionlint(stage, environment, progress)
                progress.say(f"build: actionlint is in {program.parent}")
    except (BuildFailed, OSError) as problem:
        raise NotFound(
            f"There is no actionlint here and building one failed ({problem}): {_way_out(program)}."
        ) from None
    return program


def _way_out(program: Path) -> str:
    return f"put version {pins.ACTIONLINT_VERSION} at {program}"
