"""A session's `join_call` as the launcher sees it: the real one runs in the session's process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom.isolation.failures import put_together

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.isolation.wire import CallOver


class ReportedCall:
    """:meth:`begin` gives a task that ends as `join_call` does: it returns, raises or is cancelled.

    `on_cancelled` is called when that task is cancelled from here.
    """

    def __init__(self, on_cancelled: Callable[[], None]) -> None:
        self._on_cancelled = on_cancelled
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over.add_done_callback(_retrieved)

    def begin(self, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(self._run(), name=name)
        task.add_done_callback(_retrieved)
        return task

    def take(self, report: CallOver) -> None:
        if self._over.done():
            return
        if report.failure is not None:
            self._over.set_exception(put_together(report.failure))
        elif report.cancelled:
            self._over.cancel()
        else:
            self._over.set_result(None)

    def settle(self, error: BaseException | None) -> None:
        """Nothing more will be heard of it."""
        if self._over.done():
            return
        if error is not None:
            self._over.set_exception(error)
        else:
            self._over.cancel()

    async def _run(self) -> None:
        try:
            await asyncio.wait((self._over,))
        except asyncio.CancelledError:
            self._on_cancelled()
            raise
        if self._over.cancelled():
            raise asyncio.CancelledError
        self._over.result()


def _retrieved(done: asyncio.Future[None]) -> None:
    """That it failed is told by the notices; who wants it as an error waits for the task."""
    if not done.cancelled():
        done.exception()
