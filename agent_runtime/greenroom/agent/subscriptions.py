"""Events to those who asked for them, in order, off the path of the sound.

A slow subscriber delays other subscribers only; beyond :data:`CAPACITY` waiting events the oldest are dropped
and counted.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import types
import typing
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from greenroom.agent.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("greenroom.agent.events")

CAPACITY = 1000

Handler = TypeVar("Handler", bound="Callable[..., Any]")


class Subscriptions:
    """The subscribers of one agent and the events that wait for them."""

    def __init__(self) -> None:
        self._handlers: list[tuple[tuple[type[Event], ...], Callable[[Event], Any]]] = []
        self._waiting: deque[Event] = deque(maxlen=CAPACITY)
        self._arrived = asyncio.Event()
        self.dropped = 0

    def subscribe(self, handler: Handler) -> Handler:
        """Call `handler`, sync or async, with each event of the type its argument is annotated with.

        Raises :class:`ValueError` if the annotation names no event type.
        """
        self._handlers.append((_event_types(handler), handler))
        return handler

    def emit(self, event: Event) -> None:
        if not self._handlers:
            return
        if len(self._waiting) == CAPACITY:
            if self.dropped == 0:
                logger.warning("a subscriber is %d events behind: from now on the oldest are dropped", CAPACITY)
            self.dropped += 1
        self._waiting.append(event)
        self._arrived.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self._arrived.wait()
            await self.drain()

    async def drain(self) -> None:
        """Deliver what waits now."""
        self._arrived.clear()
        while self._waiting:
            await self._deliver(self._waiting.popleft())

    async def _deliver(self, event: Event) -> None:
        for event_types, handler in tuple(self._handlers):
            if not isinstance(event, event_types):
                continue
            try:
                answer = handler(event)
                if inspect.isawaitable(answer):
                    await answer
            except Exception:
                logger.exception("subscriber %r failed on %s", handler, event.type)


def _event_types(handler: Callable[..., Any]) -> tuple[type[Event], ...]:
    parameters = list(inspect.signature(handler).parameters.values())
    hints = typing.get_type_hints(handler)
    annotation = hints.get(parameters[0].name) if parameters else None
    members = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    found = tuple(m for m in members if isinstance(m, type) and issubclass(m, Event))
    if not found or len(found) != len(members):
        raise ValueError(f"subscriber {handler!r}: annotate its argument with the events it wants, not {annotation!r}")
    return found


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)
