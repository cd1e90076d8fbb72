"""kube-controller-manager, for tests that need controllers: beside kube-apiserver, the cache, PATH, else a build.

Nothing else here needs it. Nobody publishes it with a control plane's binaries, so there is no download.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom_local.binaries import cache, pins
from greenroom_local.binaries.build import BuildFailed, build_controller_manager
from greenroom_local.binaries.found import Unusable, ask_version, version_tuple
from greenroom_local.binaries.progress import Progress
from greenroom_local.binaries.search import NotFound

if TYPE_CHECKING:
    from greenroom_local.binaries.found import Binaries

_PROGRAM = "kube-controller-manager"


def find_controller_manager(
    binaries: Binaries, environment: Mapping[str, str] = os.environ, progress: Progress | None = None
) -> Path:
    """One of the same minor version as the API server of `binaries`, built if there is none. Raises NotFound."""
    progress = progress or Progress(sys.stderr)
    found = find_installed_controller_manager(binaries, environment)
    if found is not None:
        return found
    minor = _minor(binaries.kubernetes_version)
    way_out = f"put one of Kubernetes {minor} into {cache.controller_manager_folder(environment)} or on the PATH"
    if environment.get("GREENROOM_OFFLINE", "") not in ("", "0"):
        raise NotFound(f"GREENROOM_OFFLINE is set and there is no {_PROGRAM} here: {way_out}.")
    if minor != _minor(pins.KUBERNETES_VERSION):
        raise NotFound(f"Only {_PROGRAM} {pins.KUBERNETES_VERSION} can be built here: {way_out}.")
    try:
        return _build_alone(binaries, environment, progress)
    except (BuildFailed, Unusable, OSError) as problem:
        raise NotFound(f"There is no {_PROGRAM} here and building one failed ({problem}): {way_out}.") from None


def find_installed_controller_manager(binaries: Binaries, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Nothing is built."""
    for program in _candidates(binaries, environment):
        with contextlib.suppress(Unusable):
            _examine(program, binaries)
            return program
    return None


def _candidates(binaries: Binaries, environment: Mapping[str, str]) -> Iterator[Path]:
    on_path = shutil.which(_PROGRAM, path=environment.get("PATH"))
    known = [binaries.folder / _PROGRAM, cache.controller_manager_folder(environment) / _PROGRAM]
    yield from (path for path in (*known, *([Path(on_path)] if on_path else [])) if path.exists())


def _examine(program: Path, binaries: Binaries) -> None:
    version = ask_version(program, r"Kubernetes v(\d+\.\d+\.\d+\S*)", "--version")
    if _minor(version) != _minor(binaries.kubernetes_version):
        raise Unusable(f"{program} is version {version}, the API server is {binaries.kubernetes_version}")


def _minor(version: str) -> str:
    return ".".join(map(str, version_tuple(version)[:2]))


def _build_alone(binaries: Binaries, environment: Mapping[str, str], progress: Progress) -> Path:
    def say_so() -> None:
        progress.say("another process is fetching programs; waiting for it")

    target = cache.controller_manager_folder(environment)
    with cache.alone(environment, say_so):
        # Whoever held the lock before us may have been after the same.
        found = find_installed_controller_manager(binaries, environment)
        if found is not None:
            return found
        with cache.staging(target) as stage:
            build_controller_manager(stage, environment, progress)
            _examine(stage / _PROGRAM, binaries)
    progress.say(f"build: {_PROGRAM} is in {target}")
    return target / _PROGRAM
