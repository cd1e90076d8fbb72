"""One version for all that is published: pyproject.toml says it, and everything else has to say the same.

Nothing is published, run or changed here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

UNRELEASED = "Unreleased"


@dataclass(frozen=True, slots=True)
class Sources:
    """The texts of a checkout in which a version stands."""

    pyproject: str
    chart: str
    changelog: str

    @property
    def version(self) -> str:
        """The one that counts, such as ``0.2.0``."""
        return str(tomllib.loads(self.pyproject)["project"]["version"])


def read(root: Path) -> Sources:
    """Of a checkout."""
    return Sources(
        pyproject=(root / "pyproject.toml").read_text(),
        chart=(root / "charts" / "greenroom" / "Chart.yaml").read_text(),
        changelog=(root / "CHANGELOG.md").read_text(),
    )


def disagreements(sources: Sources) -> Iterator[str]:
    """What says another version than pyproject.toml, one line each; between releases the changelog may say none."""
    wanted = sources.version
    chart = yaml.safe_load(sources.chart)
    for field in ("version", "appVersion"):
        if chart[field] != wanted:
            yield f"charts/greenroom/Chart.yaml: {field} is {chart[field]!r}, pyproject.toml says {wanted!r}"
    newest = _newest_heading(sources.changelog)
    if newest not in (UNRELEASED, wanted):
        yield f"CHANGELOG.md: its first heading is {newest!r}, neither {UNRELEASED!r} nor {wanted!r}"


def reasons_not_to_release(sources: Sources, tag: str) -> Iterator[str]:
    """What stands against publishing a checkout as `tag`, such as ``v0.2.0``, one line each."""
    yield from disagreements(sources)
    if tag != f"v{sources.version}":
        yield f"TAG is {tag!r}, pyproject.toml says {sources.version!r}: the tag to be is 'v{sources.version}'"
    if _newest_heading(sources.changelog) == UNRELEASED:
        yield f"CHANGELOG.md: {UNRELEASED!r} is to become '{sources.version} - <day>'"


def _newest_heading(changelog: str) -> str:
    """``Unreleased``, or the version of ``0.2.0 - 2026-11-30``; empty where there is no heading."""
    found = re.search(r"^## +(\S+)", changelog, re.MULTILINE)
    return found.group(1) if found else ""
