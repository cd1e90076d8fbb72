"""What the node's own pods run, as archives in the user's cache: pause, CoreDNS, contour with Envoy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster.node.images import Image, with_libraries, write_archive

from greenroom_local.binaries import ClusterPrograms, cache, pins

PAUSE = "greenroom.dev/e2e/pause:1"
DNS = f"greenroom.dev/e2e/coredns:{pins.COREDNS_VERSION}"
INGRESS = f"greenroom.dev/e2e/contour:{pins.CONTOUR_VERSION}-envoy-{pins.ENVOY_VERSION}"


@dataclass(frozen=True, slots=True)
class Archives:
    """One docker-archive for each image, in one folder."""

    folder: Path

    @property
    def all(self) -> tuple[Path, ...]:
        return tuple(self.folder / f"{name}.tar" for name in ("pause", "coredns", "contour"))


def find_archives(programs: ClusterPrograms, environment: Mapping[str, str] = os.environ) -> Archives:
    """Written where they are not there yet. Raises OSError."""
    name = f"node-images-1-coredns-{pins.COREDNS_VERSION}-contour-{pins.CONTOUR_VERSION}-envoy-{pins.ENVOY_VERSION}"
    archives = Archives(cache.part_folder(environment, name))
    if not archives.folder.is_dir():
        with cache.staging(archives.folder) as stage:
            _write(programs, Archives(stage))
    return archives


def _write(programs: ClusterPrograms, archives: Archives) -> None:
    contour = {"bin/contour": programs.contour, "bin/envoy": programs.envoy, **with_libraries(programs.envoy)}
    images = (
        Image(PAUSE, {"bin/pause": programs.pause}, ("/bin/pause",)),
        Image(DNS, {"bin/coredns": programs.coredns}, ("/bin/coredns",)),
        Image(INGRESS, contour),
    )
    for archive, image in zip(archives.all, images, strict=True):
        write_archive(archive, image)
