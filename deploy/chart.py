"""`make chart`: the chart as people get it, in `dist/`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy import versions

from greenroom_local.binaries import NotFound, find_helm

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "greenroom"


class ChartRefused(Exception):
    """helm does not take the chart, or a version in it is wrong; the message says which."""


def package(folder: Path) -> Path:
    """Judge the chart and pack it into `folder`. Raises ChartRefused, and NotFound without a helm."""
    sources = versions.read(ROOT)
    if problems := list(versions.disagreements(sources)):
        raise ChartRefused("\n".join(problems))
    helm = str(find_helm())
    _run(helm, "lint", "--strict", str(CHART))
    _run(helm, "package", str(CHART), "--destination", str(folder))
    return folder / f"greenroom-{sources.version}.tgz"


def _run(*words: str) -> None:
    if subprocess.run(words, check=False).returncode:
        raise ChartRefused(f"{Path(words[0]).name} {words[1]} refused {CHART.relative_to(ROOT)}: see above")


def main() -> int:
    try:
        package(ROOT / "dist")
    except (ChartRefused, NotFound) as problem:
        print(f"chart: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
