"""A Chromium for the tests of the page at /talk: one that the system has. Nothing is fetched: a browser is the system's
matter. Nothing of Greenroom itself needs this.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from greenroom_local.binaries.found import Unusable, ask_version, version_tuple
from greenroom_local.binaries.search import NotFound

VARIABLE = "GREENROOM_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MACOS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_OLDEST = 120
_WAY_OUT = f"install one with the system's package manager (Debian: apt-get install chromium) or name one in {VARIABLE}"


def find_chromium(environment: Mapping[str, str] = os.environ) -> Path:
    """Raises :class:`NotFound` with what to do; that what was looked at will not do is in it, too."""
    problems = []
    for program in _candidates(environment):
        try:
            _examine(program)
            return program
        except Unusable as problem:
            problems.append(str(problem))
    raise NotFound(f"There is no Chromium here{''.join(f'; {problem}' for problem in problems)}: {_WAY_OUT}.")


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    if named := environment.get(VARIABLE):
        yield Path(named)
        return
    for name in _NAMES:
        if on_path := shutil.which(name, path=environment.get("PATH")):
            yield Path(on_path)
    yield from (path for path in map(Path, _MACOS) if path.exists())


def _examine(program: Path) -> None:
    version = ask_version(program, r"(\d+\.\d+\.\d+)", "--version")
    if version_tuple(version) < (_OLDEST,):
        raise Unusable(f"{program} is version {version}, needed is {_OLDEST} or newer")
