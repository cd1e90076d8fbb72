"""The order in which binaries are looked for; each way that fails is one line, and the next is tried."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from greenroom_local.binaries import cache
from greenroom_local.binaries.found import Binaries, Unusable, examine

Say = Callable[[str], None]


class NotFound(Exception):
    """No way led to usable binaries; the message is one sentence that says what to do."""


def find_installed(environment: Mapping[str, str] = os.environ, say: Say = print) -> Binaries | None:
    """What is on this machine already: ``KUBEBUILDER_ASSETS``, then the cache. Nothing is fetched."""
    assets = environment.get("KUBEBUILDER_ASSETS", "")
    if assets:
        try:
            return examine(Path(assets).expanduser(), "KUBEBUILDER_ASSETS")
        except Unusable as problem:
            say(f"KUBEBUILDER_ASSETS: {problem}")
    folder = cache.binaries_folder(environment)
    if not folder.is_dir():
        return None
    try:
        return examine(folder, "cache")
    except Unusable as problem:
        say(f"cache: {problem}")
        return None
