"""SIGINT and SIGTERM as the cancellation of a piece of work, so that what was started is ended in order."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_asked_to_end(work: Coroutine[Any, Any, None], say: Callable[[str], None]) -> bool:
    """Run `work`; True when it came to its end, False when a signal asked for it, at whatever point.

    A second signal, of somebody who does not want to wait, raises KeyboardInterrupt: what is left is then ended
    the hard way.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    asked = False

    def ask() -> None:
        nonlocal asked
        asked = True
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.default_int_handler)
        say("ending")
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, ask)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
    return not asked
