"""Vendors' packages: looked for when a plugin is imported, imported when one is first used.

Their import takes up to a second, so it happens in a thread, once per process.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def require(module: str, extra: str) -> None:
    """Raises :class:`ModuleNotFoundError` with the way out if `module` is not installed."""
    try:
        found = find_spec(module) is not None
    except ModuleNotFoundError:  # the package that `module` is in
        found = False
    if not found:
        raise ModuleNotFoundError(
            f"greenroom.plugins.{extra} needs the package of {module!r}: pip install 'greenroom[{extra}]'", name=module
        )


async def load(module: str) -> Any:
    """The imported `module`, without stopping the event loop for as long as its import takes."""
    return await asyncio.to_thread(import_module, module)
