"""Builds the image of `deploy/Dockerfile` on this machine, with Docker or without. The standard library only."""

from __future__ import annotations

from greenroom_local.image.build import build, prepare
from greenroom_local.image.commands import Unbuildable

__all__ = ["Unbuildable", "build", "prepare"]
