"""Loading what is slow to load once, before the first call needs it.

Knows nothing of models: a component says what to load, under which key, and how to take it up.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Hashable

T = TypeVar("T")


class Warmable(ABC, Generic[T]):
    """A component with something to load ahead of time."""

    @abstractmethod
    async def on_warmup(self) -> T:
        """Load the resource and return it; must not change the component."""

    @abstractmethod
    def on_warmed_up(self, resource: T) -> Awaitable[None] | None:
        """Take up the resource, which other components of the same key share. May be async."""

    def warmup_key(self) -> Hashable:
        """What tells this component's resource from those of its class with other settings.

        Components of one class with equal keys share one resource. A class whose settings change what is
        loaded must name them here.
        """
        return None

    async def warmup(self, cache: WarmupCache | None = None) -> None:
        """Load and take up the resource; with a cache, load it only if nobody did."""
        if cache is not None:
            await cache.warmup(self)
        else:
            await _install(self, await self.on_warmup())


class WarmupCache:
    """Resources by class and :meth:`Warmable.warmup_key`; each is loaded once, None too.

    Concurrent warm-ups of one key wait for one load. A load that raises is not kept: the next one tries.
    """

    def __init__(self) -> None:
        self._slots: dict[Hashable, _Slot] = {}

    async def warmup(self, component: Warmable[T]) -> None:
        key = getattr(component, "warmup_key", _same_for_all)()  # parts of other frameworks have none
        slot = self._slots.setdefault((type(component), key), _Slot())
        if not slot.loaded:  # what is loaded needs no lock, which belongs to the loop that loaded
            async with slot.lock:
                if not slot.loaded:
                    slot.resource = await component.on_warmup()
                    slot.loaded = True
        await _install(component, cast("T", slot.resource))


def _same_for_all() -> Hashable:
    return None


@dataclass(slots=True)
class _Slot:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    loaded: bool = False
    resource: object = None


async def _install(component: Warmable[T], resource: T) -> None:
    taking_up = component.on_warmed_up(resource)
    if inspect.isawaitable(taking_up):
        await taking_up
