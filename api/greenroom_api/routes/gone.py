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
    """The result of `work`, which is cancelled when the client goes. Raises ClientGone then."""
    here = asyncio.current_task()
    assert here is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        here.cancel()

    # The work goes on in this task: a second one for each start costs more than all the rest of this. The watcher only
    # waits for a message, so that nothing has to wait for its end.
    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if not gone or here.cancelling() > 1:
            raise
        raise ClientGone from None
    finally:
        watching.cancel()
        if gone:
            here.uncancel()
