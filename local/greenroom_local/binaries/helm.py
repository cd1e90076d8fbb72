"""helm, for those who work on the chart: the cache, the PATH, else a build. Nothing else here needs it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from greenroom_local.binaries import cache, pins
from greenroom_local.binaries.build import BuildFailed, build_helm
from greenroom_local.binaries.found import Unusable, ask_version, version_tuple
from greenroom_local.binaries.progress import Progress
from greenroom_local.binaries.search import NotFound


def find_helm(environment: Mapping[str, str] = os.environ, progress: Progress | None = None) -> Path:
    """A helm that may be used, built if there is none. Raises :class:`NotFound`."""
    progress = progress or Progress(sys.stderr)
    found = find_installed_helm(environment)
    if found is not None:
        return found
    if environment.get("GREENROOM_OFFLINE", "") not in ("", "0"):
        raise NotFound(f"GREENROOM_OFFLINE is set and there is no helm here: {_way_out(environment)}.")
    try:
        return _build_alone(environment, progress)
    except (BuildFailed, Unusable, OSError) as problem:
        raise NotFound(f"There is no helm here and building one failed ({problem}): {_way_out(environment)}.") from None


def find_installed_helm(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The cache, then the PATH. Nothing is built."""
    on_path = shutil.which("helm", path=environment.get("PATH"))
    for program in (cache.helm_folder(environment) / "helm", Path(on_path) if on_path else None):
        if program is not None and program.exists():
            with contextlib.suppress(Unusable):
                examine_helm(program)
                return program
    return None


def examine_helm(program: Path) -> str:
    """The version that a helm says of itself. Raises :class:`Unusable`."""
    version = ask_version(program, r"v(\d+\.\d+\.\d+\S*)", "version", "--template={{.Version}}")
    numbers = version_tuple(version)
    if not pins.OLDEST_HELM <= numbers < (pins.NEWEST_HELM_MAJOR + 1,):
        oldest = ".".join(map(str, pins.OLDEST_HELM))
        raise Unusable(f"{program} is version {version}, needed is a {pins.NEWEST_HELM_MAJOR}.x from {oldest} on")
    return version


def _build_alone(environment: Mapping[str, str], progress: Progress) -> Path:
    def say_so() -> None:
        progress.say("another process is fetching programs; waiting for it")

    target = cache.helm_folder(environment)
    with cache.alone(environment, say_so):
        # Whoever held the lock before us may have been after the same.
        found = find_installed_helm(environment)
        if found is not None:
            return found
        with cache.staging(target) as stage:
            build_helm(stage, environment, progress)
            examine_helm(stage / "helm")
    progress.say(f"build: helm is in {target}")
    return target / "helm"


def _way_out(environment: Mapping[str, str]) -> str:
    return f"put a helm {pins.HELM_VERSION} into {cache.helm_folder(environment)} or on the PATH"
