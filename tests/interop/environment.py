"""An environment with the package `vision_agents` and, beside it, this project: made once, kept in the cache.

python -m tests.interop.environment      makes it and prints its Python
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from greenroom_local.binaries.cache import cache_root

ROOT = Path(__file__).resolve().parents[2]
PEER = "vision-agents==0.6.9"
EXTRAS = ("api", "redis")
"""What the launcher and `serve` need beside the base."""
CONSTRAINTS = Path(__file__).with_name("constraints.txt")
"""Every version, so that the environment is the same tomorrow. To renew it: empty this file, make the environment, and
put there what its `pip freeze --exclude-editable` says."""
STAMP = "made.json"
LAST_LINES = 12


class PeerMissing(Exception):
    """The environment cannot be made; the message says why and what to do."""


def peer_python() -> Path:
    """Its interpreter. Made where it is missing, installed into again where the checkout's own dependencies changed.

    Half a minute the first time. Raises PeerMissing.
    """
    home = cache_root(os.environ) / PEER.replace("==", "-")
    python = home / "bin" / "python"
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _works(python):
            _make(home)
        if _stamp(home) != _fingerprint():
            (home / STAMP).unlink(missing_ok=True)
            _install(python)
            (home / STAMP).write_text(json.dumps(_fingerprint()))
    return python


def _fingerprint() -> dict[str, str]:
    digest = hashlib.sha256()
    for path in (CONSTRAINTS, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return {"checkout": str(ROOT), "of": digest.hexdigest(), "peer": PEER}


def _stamp(home: Path) -> object:
    try:
        return json.loads((home / STAMP).read_text())
    except (OSError, ValueError):
        return None


def _works(python: Path) -> bool:
    try:
        return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _make(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(home)], "python -m venv does not work here")


def _install(python: Path) -> None:
    pip = [str(python), "-m", "pip"]
    wanted = [PEER, "--editable", f"{ROOT}[{','.join(EXTRAS)}]"]
    quiet = ["--disable-pip-version-check", "--progress-bar", "off"]
    _run([*pip, "install", *quiet, "--constraint", str(CONSTRAINTS), *wanted], f"pip could not install {PEER}")
    _run([*pip, "check"], "the two packages do not get along")


def _run(words: list[str], problem: str) -> None:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-LAST_LINES:])
        raise PeerMissing(f"{problem}; a package index must be in reach. Last lines of {words[0]}:\n{tail}")


if __name__ == "__main__":
    begun = time.monotonic()
    try:
        found = peer_python()
    except PeerMissing as missing:
        sys.exit(str(missing))
    print(found)
    print(f"ready after {time.monotonic() - begun:.0f} s", file=sys.stderr)
