"""Ends a request's work when its client has gone away, which the server alone never does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from fastapi import Request

T = TypeVar("T")


class ClientGone(Exception):
    """Nobody is there any longer to read the answer."""


async def while_there(request: Request, work: Coroutine[None, None, T]) -> T:
    """The result of `work`, which is cancelled, and awaited, when the client goes. Raises ClientGone then."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
