"""Time limits on what a vendor streams."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from greenroom.plugins.vendor.errors import VendorError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from greenroom_core.clock import Clock

T = TypeVar("T")


async def limited(
    items: AsyncGenerator[T, None], vendor: str, first_seconds: float, next_seconds: float, clock: Clock
) -> AsyncGenerator[T, None]:
    """`items`, the first within `first_seconds`, each next one within `next_seconds` of asking for it.

    Raises :class:`VendorError`. The time that the consumer takes does not count. Closes `items` with itself.
    """
    limit_seconds = first_seconds
    async with aclosing(items):
        while True:
            try:
                async with clock.timeout(limit_seconds):
                    item = await anext(items)
            except StopAsyncIteration:
                return
            except TimeoutError:
                break
            yield item
            limit_seconds = next_seconds
    raise VendorError(f"{vendor} sent nothing for {limit_seconds:g} s", retryable=True)
