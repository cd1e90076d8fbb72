"""What an image is made of: which extras it has, and the files that pin all of it, hashes included.

`make pins` writes them with uv, inside the bounds of pyproject.toml and at the versions of constraints.txt.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PYTHON_VERSION = "3.13"
EXTRAS = ("operator", "api", "redis", "local")
# No program in a pod reads a kubeconfig, and the package for it is as large as all the rest.
LEFT_OUT = frozenset({"kubeconfig"})

_OWN = re.compile(r"greenroom\[([\w,-]+)\]")
_PINNED = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)
_HEADER = "# Written by `make pins` from pyproject.toml and constraints.txt. For Linux and Python {version}.\n"


@dataclass(frozen=True, slots=True)
class Pins:
    """A file of pins in `deploy/` and the requirements behind it."""

    file: str
    requirements: tuple[str, ...]


def all_pins(checkout: Path) -> tuple[Pins, Pins]:
    """What the image holds, and what only its making needs."""
    declared = tomllib.loads((checkout / "pyproject.toml").read_text())
    return (
        Pins("requirements.txt", tuple(required(declared["project"]))),
        Pins("build-requirements.txt", tuple(declared["build-system"]["requires"])),
    )


def required(project: dict[str, Any]) -> list[str]:
    """The requirements of the base and of EXTRAS, extras within extras followed, LEFT_OUT left out."""
    found: dict[str, None] = {}
    waiting = [*project["dependencies"], f"greenroom[{','.join(EXTRAS)}]"]
    while waiting:
        text = waiting.pop(0)
        if own := _OWN.fullmatch(text):
            extras = (extra for extra in own[1].split(",") if extra not in LEFT_OUT)
            waiting += [line for extra in extras for line in project["optional-dependencies"][extra]]
        else:
            found[text] = None
    return sorted(found)


def pinned(text: str) -> set[tuple[str, str]]:
    """The packages, by normalised name, with their versions that a file of pins or constraints names."""
    return {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in _PINNED.findall(text)}


def write(pins: Pins, checkout: Path) -> None:
    """Resolve and write one file. Asks the package index for the hashes; CalledProcessError where uv fails."""
    words = ["uv", "pip", "compile", "-", "--quiet", "--constraint", "constraints.txt", "--generate-hashes"]
    words += ["--python-version", PYTHON_VERSION, "--python-platform", "linux"]
    words += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    done = subprocess.run(
        [os.path.join(os.path.dirname(sys.executable), words[0]), *words[1:]],
        cwd=checkout,
        input="\n".join(pins.requirements),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    header = _HEADER.format(version=PYTHON_VERSION)
    (checkout / "deploy" / pins.file).write_text(header + done.stdout)


if __name__ == "__main__":
    for one in all_pins(Path.cwd()):
        write(one, Path.cwd())
