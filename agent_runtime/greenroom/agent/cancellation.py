"""Waiting for work that must not be cut in the middle."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def outlast(work: asyncio.Future[T]) -> T:
    """The result of `work`, which goes on when the caller is cancelled.

    A cancelled caller still waits for the end of `work` and is cancelled then: nothing is left behind.
    """
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not work.cancelled():
            work.exception()
        raise cancelled
    return work.result()
