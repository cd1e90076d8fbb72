"""The kind of event loop: a session process has the kind its launcher has."""

from __future__ import annotations

import asyncio


def is_uvloop(loop: asyncio.AbstractEventLoop) -> bool:
    return type(loop).__module__.partition(".")[0] == "uvloop"


def new_loop(uvloop: bool) -> asyncio.AbstractEventLoop:
    if not uvloop:
        return asyncio.new_event_loop()
    from uvloop import new_event_loop

    loop: asyncio.AbstractEventLoop = new_event_loop()
    return loop
