"""`make release-image` and `make release-chart`: publish what a tag names. docs/releasing.md tells the whole way.

REGISTRY names where to, such as ``ghcr.io/somebody``, and TAG what, such as ``v0.2.0``. Who may push is between
docker, helm and the registry: log in before.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy import chart, versions

from greenroom_local.binaries import NotFound, find_helm

PLATFORMS = "linux/amd64,linux/arm64"


class ReleaseRefused(Exception):
    """Nothing was published, or not all; the message says why."""


@dataclass(frozen=True, slots=True)
class Release:
    """What to publish, and where. `registry` is in small letters, as registries want it."""

    registry: str
    version: str

    @property
    def image(self) -> str:
        return f"{self.registry}/greenroom:{self.version}"

    @property
    def charts(self) -> str:
        """The chart is pushed beside the image, in a place of its own: one name cannot hold both."""
        return f"oci://{self.registry}/charts"

    @property
    def is_here(self) -> bool:
        """A registry on this machine, to try things with, speaks plain HTTP."""
        return self.registry.split("/")[0].split(":")[0] in ("localhost", "127.0.0.1")


def plan(environment: Mapping[str, str], sources: versions.Sources) -> Release:
    """What the variables ask for, if the checkout is that version. Raises ReleaseRefused."""
    registry, tag = environment.get("REGISTRY", "").strip("/"), environment.get("TAG", "")
    problems = [f"{name} is needed" for name, value in (("REGISTRY", registry), ("TAG", tag)) if not value]
    problems = problems or list(versions.reasons_not_to_release(sources, tag))
    if problems:
        raise ReleaseRefused("\n".join(problems))
    return Release(registry.lower(), sources.version)


def image_command(release: Release) -> tuple[str, ...]:
    """Build for all platforms and push, with a record of how it was built (provenance) and of what is inside (SBOM)."""
    return (
        *("docker", "buildx", "build", "--file", "deploy/Dockerfile", "--platform", PLATFORMS),
        *("--provenance", "mode=max", "--sbom", "true", "--tag", release.image, "--push", "."),
    )


def chart_command(release: Release, helm: Path, archive: Path) -> tuple[str, ...]:
    """Push the packed chart."""
    return (str(helm), "push", str(archive), release.charts, *(("--plain-http",) if release.is_here else ()))


def push_image(release: Release) -> None:
    _run(image_command(release))
    print(f"published {release.image}")


def push_chart(release: Release) -> None:
    archive = chart.package(chart.ROOT / "dist")
    _run(chart_command(release, find_helm(), archive))
    print(f"published {release.charts}/greenroom {release.version}")


def _run(words: tuple[str, ...]) -> None:
    print(f"$ {' '.join(words)}", flush=True)
    try:
        status = subprocess.run(words, cwd=chart.ROOT, check=False).returncode
    except OSError as error:
        raise ReleaseRefused(f"{words[0]} does not run: {error}") from None
    if status:
        raise ReleaseRefused(f"{Path(words[0]).name} {words[1]} ended with exit status {status}: see above")


def main(arguments: list[str]) -> int:
    pushes = {"image": push_image, "chart": push_chart}
    if len(arguments) != 1 or arguments[0] not in pushes:
        print(f"usage: python -m deploy.release {'|'.join(pushes)}", file=sys.stderr)
        return 2
    try:
        pushes[arguments[0]](plan(os.environ, versions.read(chart.ROOT)))
    except (ReleaseRefused, chart.ChartRefused, NotFound) as problem:
        print(f"release-{arguments[0]}: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
