"""Thread pools across a fork: their threads stay behind, so pools are emptied before and start afresh after."""

from __future__ import annotations

import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from greenroom.isolation import kernel

_STATE = ("_work_queue", "_idle_semaphore", "_threads", "_broken", "_shutdown", "_shutdown_lock")

logger = logging.getLogger("greenroom.isolation.stock")


def end_threads() -> None:
    """Ends the threads of all pools of this process when their work is done, and makes the pools as new.

    A forked process would otherwise hand work to threads that it does not have, and wait for ever.
    """
    for pool in [item for item in gc.get_objects() if type(item) is ThreadPoolExecutor]:
        _renew(pool)
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        logger.warning("the warm-up left threads, which session processes will not have: %s", ", ".join(others))
    elif kernel.threads() > 1:
        logger.debug("C libraries left %d threads, which session processes will not have", kernel.threads() - 1)


def _renew(pool: ThreadPoolExecutor) -> None:
    if pool._shutdown:
        return
    pool.shutdown(wait=True)
    fresh = ThreadPoolExecutor(pool._max_workers)
    for name in _STATE:
        setattr(pool, name, getattr(fresh, name))
