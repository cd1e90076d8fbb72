"""The image that the suite installs: the project's own, built from what is checked out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests import image_archive
from tests.e2e.cluster.model import ClusterFailed, ClusterUnavailable
from tests.e2e.scene import ROOT

from greenroom_local.image import Unbuildable
from greenroom_local.image import build as build_image

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "greenroom:dev"
ARCHIVE = ROOT / "dist" / "greenroom-image.tar"


async def build(say: Callable[[str], None]) -> str:
    """Its name; the archive holds it under that one. Nothing is done where nothing has changed."""
    try:
        await build_image(NAME, ARCHIVE, say)
    except Unbuildable as problem:
        raise ClusterUnavailable(f"there is no image to install: {problem}") from None
    found = await asyncio.to_thread(image_archive.read, ARCHIVE)
    if wrong := list(image_archive.complaints(found)):
        raise ClusterFailed("the image is not as it should be:\n" + "\n".join(wrong[:20]))
    return NAME
