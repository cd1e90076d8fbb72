"""SIGTERM at a container's first process, for which the kernel has no default: unhandled, it ends nothing.

So a pod that is deleted while its program still imports would stay until its whole grace period is over. From here on
such a process ends as any other would, until its program has a handler of its own.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_FIRST = 1


def heed_sigterm() -> None:
    """Does nothing in any process but a first one whose SIGTERM is free; to be called from the main thread."""
    if os.getpid() == _FIRST and sigterm_is_free() and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)


def sigterm_is_free() -> bool:
    """Whether no program has a handler for it."""
    return signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, _end)


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)  # at once, as by the default: a SystemExit might be caught by whatever is being imported
