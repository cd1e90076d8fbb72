"""What each part of the project brings in, and under which licence, read from the metadata of what is installed.

What the project itself asks for is read from pyproject.toml, since the metadata of an editable install is as old as
the install. Prints the tables of docs/licences.md: `python -m tests.licences`. Needs no network.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from importlib.metadata import Distribution

ROOT = Path(__file__).parents[1]
PROJECT = "greenroom"
BASE = "base"

PERMITTED = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0"),
        "MIT-CMU",
        *("MPL-2.0", "PSF-2.0", "Unlicense", "Zlib"),
    }
)

# Only as libraries inside a wheel, where they bind nobody's own code: the run-time libraries of the compiler, and
# permissive ones that no package of Python is under.
PERMITTED_LIBRARIES = PERMITTED | {
    *("GPL-3.0-or-later WITH GCC-exception-3.1", "LGPL-2.1-or-later"),
    *("FTL", "IJG", "MIT-Modern-Variant", "MIT-open-group", "libpng-2.0", "libtiff"),
}

# What a part may bring in besides, by name. Neither is in `all`, the demo or an image.
BEYOND: Mapping[str, frozenset[str]] = {
    "getstream": frozenset({"getstream", "getstream-rtc"}),
    "vendors": frozenset({"getstream", "getstream-rtc", "av", "ctranslate2"}),
    "webrtc": frozenset({"av"}),
    "whisper": frozenset({"ctranslate2"}),
}

# Where the metadata says nothing or not all. Read by a person: what it is, and where that stands.
REVIEWED: Mapping[str, tuple[str, str]] = {
    "av": (
        "BSD-3-Clause AND LGPL-3.0-or-later AND GPL-2.0-or-later",
        "the metadata speaks of the bindings; the wheel carries FFmpeg (LGPL), x264 and x265 (GPL)",
    ),
    "ctranslate2": (
        "MIT AND Intel Simplified Software License",
        "the metadata speaks of its own code; the library in the wheel is linked with Intel's MKL, which may be passed "
        "on unchanged and is no open source",
    ),
    "getstream": ("proprietary", "licences/LICENSE.md in the wheel: an agreement for Stream's customers"),
    "getstream-rtc": ("proprietary", "states no licence anywhere, so no right to use it but Stream's agreement"),
    "promql-parser": ("MIT", "the metadata names none; LICENSE in the wheel is the MIT licence"),
    "twirp": ("Unlicense", "`License: UNKNOWN`; LICENSE in the wheel is the Unlicense"),
}

# Shared libraries that wheels carry beside the package.
LIBRARIES: Mapping[str, str] = {
    "libXau": "MIT-open-group",
    "libavif": "BSD-2-Clause AND BSD-3-Clause AND Apache-2.0 AND IJG",
    "libbrotlicommon": "MIT",
    "libbrotlidec": "MIT",
    "libcrc32c": "BSD-3-Clause",
    "libfreetype": "FTL",
    "libgcc_s": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libgfortran": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libgomp": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libharfbuzz": "MIT-Modern-Variant",
    "libjpeg": "IJG AND BSD-3-Clause AND Zlib",
    "liblcms2": "MIT",
    "liblzma": "0BSD",
    "libopenjp2": "BSD-2-Clause",
    "libpng16": "libpng-2.0",
    "libquadmath": "LGPL-2.1-or-later",
    "libscipy_openblas64_": "BSD-3-Clause",
    "libsharpyuv": "BSD-3-Clause",
    "libstdc++": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libtiff": "libtiff",
    "libwebp": "BSD-3-Clause",
    "libwebpdemux": "BSD-3-Clause",
    "libwebpmux": "BSD-3-Clause",
    "libxcb": "MIT",
    "libyajl": "ISC",
    "libzstd": "BSD-3-Clause",
}

_SPELLINGS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd license": "BSD",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
_NOTHING = {"", "unknown"}
_FOLDER = re.compile(r"\.(?:libs|dylibs)$")  # as the tools that repair wheels name it on Linux and on macOS
_END_OF_NAME = re.compile(r"-[0-9a-f]{8}|\.\d|\.(?:so|dylib|dll)")


@dataclass(frozen=True, slots=True)
class Brought:
    """One package of a part. `through` is the package that asks for it, None if the part itself does."""

    name: str
    through: str | None
    distribution: Distribution | None

    @property
    def licence(self) -> str:
        if self.name in REVIEWED:
            return REVIEWED[self.name][0]
        return stated(self.distribution) if self.distribution is not None else "not installed"

    @property
    def libraries(self) -> tuple[str, ...]:
        """The shared libraries inside its wheel; none for one that was reviewed as a whole."""
        return () if self.name in REVIEWED or self.distribution is None else carried(self.distribution)


def installed(path: list[str] | None = None) -> dict[str, Distribution]:
    """What is installed here, or in the folders of `path`, by normalised name; the first one found counts."""
    found: dict[str, Distribution] = {}
    for distribution in distributions(path=path) if path is not None else distributions():
        found.setdefault(canonicalize_name(distribution.metadata["Name"]), distribution)
    return found


def parts(pyproject: Path = ROOT / "pyproject.toml") -> dict[str, list[str]]:
    """The requirements of the base, of each extra and of each dependency group, in that order."""
    declared: dict[str, Any] = tomllib.loads(pyproject.read_text())
    project = declared["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    return {BASE: project["dependencies"], **extras, **declared["dependency-groups"]}


def brought(
    part: str,
    declared: Mapping[str, list[str]],
    present: Mapping[str, Distribution],
    python: Mapping[str, str] = MappingProxyType({}),
) -> list[Brought]:
    """All that `part` brings in, whatever asks for it, by name. Markers are those of this interpreter, but for what
    `python` says of another."""
    found: dict[str, Brought] = {}
    seen: set[tuple[str, str]] = set()
    waiting: list[tuple[str | None, str, str]] = [(None, text, "") for text in declared[part]]
    while waiting:
        through, text, extra = waiting.pop(0)
        requirement = Requirement(text)
        if not _applies(requirement, {**python, "extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name == PROJECT:
            waiting.extend((None, own, "") for one in sorted(requirement.extras) for own in declared[one])
            continue
        found.setdefault(name, Brought(name, through, present.get(name)))
        for asked in ("", *sorted(requirement.extras)):
            if (name, asked) not in seen and name in present:
                seen.add((name, asked))
                waiting.extend((name, further, asked) for further in present[name].requires or ())
    return sorted(found.values(), key=lambda one: one.name)


def stated(distribution: Distribution) -> str:
    """The licence in the words of the metadata, as SPDX writes them: the expression, or else all that is said."""
    metadata = distribution.metadata
    if expression := metadata.get_all("License-Expression"):
        return str(expression[0])
    classifiers = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or () if "License ::" in line]
    lines = [line.partition("\n")[0].strip() for line in (*(metadata.get_all("License") or ()), *classifiers)]
    said = {_SPELLINGS.get(line.lower(), line) for line in lines if line.lower() not in _NOTHING}
    # What says less than another: one side of a choice, and the classifier that leaves open which BSD.
    less = {side for licence in said if " OR " in licence for side in licence.split(" OR ")}
    less |= {"BSD"} if any(licence.startswith("BSD-") for licence in said) else set()
    return " AND ".join(sorted(said - less)) or "none stated"


def carried(distribution: Distribution) -> tuple[str, ...]:
    """The names of the shared libraries that its wheel brings along, without their hashes and versions."""
    files = (file for file in distribution.files or () if _FOLDER.search(file.parent.as_posix()))
    return tuple(sorted({_END_OF_NAME.split(file.name)[0] for file in files}))


def permitted(licence: str, list_of: frozenset[str] = PERMITTED) -> bool:
    """Whether the expression allows what the list does: one side of an OR, all sides of an AND."""
    if "(" in licence:  # too seldom to be read with care: all of it then
        return all(term.strip(" ()") in list_of for term in re.split(r" (?:AND|OR) ", licence))
    return any(all(term in list_of for term in side.split(" AND ")) for side in licence.split(" OR "))


def complaints(part: str, packages: Iterable[Brought]) -> Iterator[str]:
    """A sentence for each package of `part`, or library in one, that is under no permitted licence."""
    kind = "the base" if part == BASE else f"`{part}`"
    for one in packages:
        if one.name in BEYOND.get(part, ()):
            continue
        whence = f" (through {one.through})" if one.through else ""
        if not permitted(one.licence):
            yield f"{kind} brings in {one.name}{whence} under: {one.licence}"
        for library in one.libraries:
            licence = LIBRARIES.get(library, "not reviewed")
            if not permitted(licence, PERMITTED_LIBRARIES):
                yield f"{kind} brings in {one.name}{whence} with {library} under: {licence}"


def tables() -> str:
    """The tables of docs/licences.md for what is installed."""
    declared, present = parts(), installed()
    base = {one.name for one in brought(BASE, declared, present)}
    lines: list[str] = []
    for part in declared:
        if part == "all":
            continue
        packages = [one for one in brought(part, declared, present) if part == BASE or one.name not in base]
        lines += ["", f"### {part}", "", "| package | licence | asked for by |", "|---|---|---|"]
        lines += [f"| {one.name} | {_licences(one)} | {one.through or PROJECT} |" for one in packages]
    return "\n".join(lines).strip() + "\n"


def _licences(one: Brought) -> str:
    inside = (f"{library}: {LIBRARIES.get(library, 'not reviewed')}" for library in one.libraries)
    return "; ".join((one.licence, *inside))


def _applies(requirement: Requirement, otherwise: Mapping[str, str]) -> bool:
    environment = {**{key: str(value) for key, value in default_environment().items()}, **otherwise}
    return requirement.marker is None or requirement.marker.evaluate(environment)


if __name__ == "__main__":
    print(tables(), end="")
