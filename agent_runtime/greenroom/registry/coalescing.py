"""Many small requests made into few large ones, without any of them waiting for company.

A request that comes while nothing is under way starts with the loop's next turn, together with all others of this turn.
While one batch is under way the next one gathers. One batch at a time, so requests are carried out in the order in
which they were made.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from greenroom.registry.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Coalesced(Generic[Request, Answer]):
    """`carry_out` takes up to `most` requests and gives their answers in the same order.

    A request whose caller was cancelled before its batch began is left out. What `carry_out` raises reaches every
    caller of that batch.
    """

    def __init__(self, carry_out: Callable[[Sequence[Request]], Awaitable[Sequence[Answer]]], most: int) -> None:
        self._carry_out = carry_out
        self._most = most
        self._waiting: deque[tuple[Request, asyncio.Future[Answer]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def __call__(self, request: Request) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="session-store-batches")
        return await answer

    async def settle(self) -> None:
        """Returns when nothing is under way."""
        while self._working is not None:
            await asyncio.wait([self._working])

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._next_batch()
        finally:
            self._working = None

    async def _next_batch(self) -> None:
        batch: list[tuple[Request, asyncio.Future[Answer]]] = []
        while self._waiting and len(batch) < self._most:
            request, answer = self._waiting.popleft()
            if not answer.done():
                batch.append((request, answer))
        if not batch:
            return
        try:
            answers = await self._carry_out([request for request, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(_one_more(error))
            return
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), answer_value in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer_value)


def _one_more(error: Exception) -> Exception:
    """An exception that many raise gathers all their tracebacks, so the common one is given to each anew."""
    return StoreUnavailable(str(error)) if isinstance(error, StoreUnavailable) else error
