"""The order in which binaries are looked for; each way that fails is one line, and the next is tried."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from greenroom_local.binaries import cache, pins
from greenroom_local.binaries.build import BuildFailed, build_binaries
from greenroom_local.binaries.download import DownloadFailed, Limits, download_binaries
from greenroom_local.binaries.found import Binaries, Unusable, examine
from greenroom_local.binaries.progress import Progress

Fill = Callable[[Path], None]


class NotFound(Exception):
    """No way led to usable binaries; the message is one sentence that says what to do."""


def find_binaries(
    environment: Mapping[str, str] = os.environ,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Binaries:
    """``KUBEBUILDER_ASSETS``, the cache, a download, a build: the first that works. Raises :class:`NotFound`."""
    progress = progress or Progress(sys.stderr)
    found = find_installed(environment, progress)
    if found is not None:
        return found
    if environment.get("GREENROOM_OFFLINE", "") not in ("", "0"):
        raise NotFound(f"GREENROOM_OFFLINE is set and there is no control plane here: {_way_out(environment)}.")
    with _alone(environment, progress):
        # Whoever held the lock before us was after the same.
        found = _from_cache(environment, None) or _fetch(environment, progress, limits or Limits())
    if found is None:
        raise NotFound(f"No way to a control plane worked, see the lines above: {_way_out(environment)}.")
    return found


def find_installed(environment: Mapping[str, str] = os.environ, progress: Progress | None = None) -> Binaries | None:
    """What is on this machine already: ``KUBEBUILDER_ASSETS``, then the cache. Nothing is fetched."""
    progress = progress or Progress(sys.stderr)
    assets = environment.get("KUBEBUILDER_ASSETS", "")
    if assets:
        try:
            return examine(Path(assets).expanduser(), "KUBEBUILDER_ASSETS")
        except Unusable as problem:
            progress.say(f"KUBEBUILDER_ASSETS: {problem}")
    return _from_cache(environment, progress)


def _from_cache(environment: Mapping[str, str], progress: Progress | None) -> Binaries | None:
    folder = cache.binaries_folder(environment)
    if not folder.is_dir():
        return None
    try:
        return examine(folder, "cache")
    except Unusable as problem:
        if progress is not None:
            progress.say(f"cache: {problem}")
        return None


def _fetch(environment: Mapping[str, str], progress: Progress, limits: Limits) -> Binaries | None:
    base_url = environment.get("GREENROOM_BINARIES_URL", "") or pins.DOWNLOADS
    archive = pins.archive_for(pins.platform_name())

    def download(folder: Path) -> None:
        if archive is None:
            raise DownloadFailed(f"nobody publishes these programs for {pins.platform_name()}")
        download_binaries(base_url, archive, folder, progress, limits)

    def build(folder: Path) -> None:
        build_binaries(folder, environment, progress)

    return _install("download", download, environment, progress) or _install("build", build, environment, progress)


def _install(way: str, fill: Fill, environment: Mapping[str, str], progress: Progress) -> Binaries | None:
    target = cache.binaries_folder(environment)
    try:
        with cache.staging(target) as stage:
            fill(stage)
            examine(stage, way)
        progress.say(f"{way}: etcd, kube-apiserver and kubectl are in {target}")
        return examine(target, way)
    except (DownloadFailed, BuildFailed, Unusable, OSError) as problem:
        progress.say(f"{way}: {problem}")
        return None


@contextlib.contextmanager
def _alone(environment: Mapping[str, str], progress: Progress) -> Iterator[None]:
    def say_so() -> None:
        progress.say("another process is fetching the control plane; waiting for it")

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(cache.alone(environment, say_so))
        except OSError as error:
            root = cache.cache_root(environment)
            raise NotFound(f"The cache {root} cannot be written ({error}): {_way_out(environment)}.") from None
        yield


def _way_out(environment: Mapping[str, str]) -> str:
    return (
        f"put {', '.join(pins.NAMES[:-1])} and {pins.NAMES[-1]} "
        f"(Kubernetes {pins.KUBERNETES_VERSION}, etcd {pins.ETCD_VERSION}) into "
        f"{cache.binaries_folder(environment)}, or name a folder that has them in KUBEBUILDER_ASSETS"
    )
