"""A part that asks a vendor's service for one stream after the other, over a client that sessions share."""

from __future__ import annotations

import logging
from abc import abstractmethod
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, TypeVar

from greenroom.agent.interfaces import Component
from greenroom.plugins.vendor.errors import VendorError
from greenroom.plugins.vendor.limits import limited
from greenroom.plugins.vendor.packages import load
from greenroom.plugins.vendor.retries import Backoff, repeated
from greenroom.warmup import Warmable
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Hashable

    from greenroom.plugins.vendor.leases import Leases
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.plugins.vendor")

Account = TypeVar("Account", bound="Hashable")
Pool = TypeVar("Pool")
T = TypeVar("T")


class Service(Component, Warmable[None], Generic[Account, Pool]):
    """What of a model or a voice is the same for all vendors: the SDK, the client, patience and errors.

    `sdk` is the module that the warm-up imports. `limits_seconds` are for the first and for each next item of a stream.
    """

    def __init__(
        self,
        vendor: str,
        sdk: str,
        clients: Leases[Account, Pool],
        account: Account,
        *,
        backoff: Backoff | None,
        limits_seconds: tuple[float, float],
        clock: Clock | None,
    ) -> None:
        self._vendor = vendor
        self._sdk = sdk
        self._clients = clients
        self._account = account
        self._backoff = backoff or Backoff()
        self._limits_seconds = limits_seconds
        self._clock = clock or SystemClock()
        self._pool: Pool | None = None

    async def on_warmup(self) -> None:
        await load(self._sdk)

    def on_warmed_up(self, resource: None) -> None:
        """The SDK is imported; connections belong to calls."""

    async def start(self) -> None:
        if self._pool is None:
            self._pool = await self._clients.take(self._account)

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await self._clients.give_back(self._account)

    @abstractmethod
    def _translated(self, error: Exception) -> VendorError | None:
        """What `error` of the SDK means; None for an error of ours."""

    @abstractmethod
    def _count_error(self) -> None:
        """A request failed that is tried again."""

    def _in_time(self, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        first_seconds, next_seconds = self._limits_seconds
        return limited(items, self._vendor, first_seconds, next_seconds, self._clock)

    async def _asked(self, request: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """The items of `request()`, which is made again while nothing of it has come and another try may help. Raises
        :class:`VendorError`."""
        await self.start()
        answer = repeated(lambda: self._attempt(request()), self._backoff, self._clock, self._failed)
        async with aclosing(answer) as items:
            async for item in items:
                yield item

    async def _attempt(self, answer: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        failure: VendorError | None = None
        try:
            async with aclosing(answer) as items:
                async for item in items:
                    yield item
        except Exception as error:
            failure = error if isinstance(error, VendorError) else self._translated(error)
            if failure is None:
                raise
        if failure is not None:  # raised here, so that no SDK's error is its context
            raise failure

    def _failed(self, error: VendorError) -> None:
        self._count_error()
        logger.warning("%s is asked again: %s", self._vendor, error)
