"""The per-user cache: where binaries live between runs, and how they get there in one piece."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from greenroom_local.binaries import pins


def cache_root(environment: Mapping[str, str]) -> Path:
    """Our folder in the user's cache; ``XDG_CACHE_HOME`` moves it."""
    base = environment.get("XDG_CACHE_HOME", "")
    # The XDG rule: a relative path there is to be ignored.
    parent = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return parent / "greenroom"


def binaries_folder(environment: Mapping[str, str]) -> Path:
    """Where the pinned versions live; the versions are in the name, so that an upgrade never meets old files."""
    name = f"k8s-{pins.KUBERNETES_VERSION}-etcd-{pins.ETCD_VERSION}"
    return cache_root(environment) / name / "bin"


def helm_folder(environment: Mapping[str, str]) -> Path:
    """Where the pinned helm lives: apart, for only those who work on the chart need it."""
    return cache_root(environment) / f"helm-{pins.HELM_VERSION}" / "bin"


def controller_manager_folder(environment: Mapping[str, str]) -> Path:
    """Where the pinned kube-controller-manager lives: apart, for a set of binaries is replaced as a whole."""
    return cache_root(environment) / f"kube-controller-manager-{pins.KUBERNETES_VERSION}" / "bin"


def actionlint_folder(environment: Mapping[str, str]) -> Path:
    """Where the pinned actionlint lives."""
    return cache_root(environment) / f"actionlint-{pins.ACTIONLINT_VERSION}" / "bin"


def part_folder(environment: Mapping[str, str], name: str) -> Path:
    """Where one part of the end-to-end suite's node lives; `name` holds its version."""
    return cache_root(environment) / name


@contextlib.contextmanager
def alone(environment: Mapping[str, str], on_wait: Callable[[], None]) -> Iterator[None]:
    """One process of this user at a time: a second build would only make both slower.

    `on_wait` is called when another one is at work. Raises OSError where the cache cannot be written.
    """
    root = cache_root(environment)
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A folder beside `target` to fill; on a clean exit it becomes `target`, else it is gone.

    Two processes may do this at once: the later rename wins, and both results are whole.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield stage
        stage.chmod(0o755)
        _replace(stage, target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _replace(stage: Path, target: Path) -> None:
    # A folder cannot be renamed over one with content, so an old one steps aside first.
    aside = stage.with_name(stage.name + "-old")
    with contextlib.suppress(FileNotFoundError):
        os.rename(target, aside)
    try:
        os.rename(stage, target)
    except OSError:
        # Somebody else finished in between; theirs is as good.
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
