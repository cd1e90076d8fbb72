"""Which event loop our programs run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """For `asyncio.Runner`: uvloop's where it is installed; None stands for Python's own."""
    try:
        from greenroom_core.guarded_loop import Loop
    except ModuleNotFoundError:
        return None
    return Loop
