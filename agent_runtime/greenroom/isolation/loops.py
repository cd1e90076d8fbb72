"""The kind of event loop: a session process has the kind its launcher has."""

from __future__ import annotations

import asyncio

from greenroom_core.event_loop import loop_factory


def is_uvloop(loop: asyncio.AbstractEventLoop) -> bool:
    """uvloop's own, or one made of it."""
    return any(kind.__module__.partition(".")[0] == "uvloop" for kind in type(loop).__mro__)


def new_loop(uvloop: bool) -> asyncio.AbstractEventLoop:
    factory = loop_factory() if uvloop else None
    return asyncio.new_event_loop() if factory is None else factory()
