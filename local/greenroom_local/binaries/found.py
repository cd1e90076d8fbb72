"""A set of binaries that has been looked at: each program is there, runs, and says a version that will do."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom_local.binaries import pins

if TYPE_CHECKING:
    from pathlib import Path

_ANSWER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Binaries:
    """Three programs of one folder that may be used. `origin` says in a few words where they came from."""

    folder: Path
    origin: str
    kubernetes_version: str
    etcd_version: str

    @property
    def etcd(self) -> Path:
        return self.folder / "etcd"

    @property
    def kube_apiserver(self) -> Path:
        return self.folder / "kube-apiserver"

    @property
    def kubectl(self) -> Path:
        return self.folder / "kubectl"


class Unusable(Exception):
    """A folder or a program in it will not do; the message is one line that says why."""


def examine(folder: Path, origin: str) -> Binaries:
    """Ask the three programs in `folder` for their versions. Raises :class:`Unusable`."""
    missing = [name for name in pins.NAMES if not os.access(folder / name, os.X_OK)]
    if missing:
        raise Unusable(f"{folder} has no {', no '.join(missing)}")
    server = ask_version(folder / "kube-apiserver", r"Kubernetes v(\d+\.\d+\.\d+\S*)", "--version")
    etcd = ask_version(folder / "etcd", r"etcd Version: (\d+\.\d+\.\d+\S*)", "--version")
    _at_least(folder / "kube-apiserver", server, pins.OLDEST_KUBERNETES)
    _at_least(folder / "etcd", etcd, pins.OLDEST_ETCD)
    check_kubectl(folder / "kubectl")
    return Binaries(folder, origin, server, etcd)


def version_tuple(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``1.36.2-rc.0`` is ``(1, 36, 2)``."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _at_least(program: Path, version: str, oldest: tuple[int, ...]) -> None:
    if version_tuple(version) < oldest:
        raise Unusable(f"{program} is version {version}, needed is {'.'.join(map(str, oldest))} or newer")


def ask_version(program: Path, pattern: str, *arguments: str) -> str:
    """What `program` prints when asked, as far as `pattern` finds it. Raises :class:`Unusable`."""
    said = _ask(program, *arguments)
    found = re.search(pattern, said)
    if not found:
        raise Unusable(f"{program} does not say its version")
    return found.group(1)


def check_kubectl(program: Path) -> str:
    """The version that it says. Raises :class:`Unusable`."""
    # A stub or a wrapper may stand under this name; the real one answers in JSON.
    try:
        answer = json.loads(_ask(program, "version", "--client", "--output=json"))
        version = answer["clientVersion"]["gitVersion"]
    except (ValueError, KeyError, TypeError):
        raise Unusable(f"{program} is not a kubectl: it does not say its version") from None
    if not re.match(r"v\d+\.\d+", str(version)):
        raise Unusable(f"{program} is not a kubectl: it says version {version!r}")
    return str(version).removeprefix("v")


def _ask(program: Path, *arguments: str) -> str:
    # KUBECONFIG may name a broken file, ETCD_… would be flags: neither matters for the version.
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/")}
    try:
        done = subprocess.run(
            [str(program), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_SECONDS,
            stdin=subprocess.DEVNULL,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unusable(f"{program} does not run: {_one_line(error)}") from None
    if done.returncode != 0:
        raise Unusable(f"{program} ended with exit status {done.returncode} when asked for its version")
    return done.stdout


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
