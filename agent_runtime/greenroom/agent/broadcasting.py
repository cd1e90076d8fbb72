"""What an agent sends to the programs of the participants, beside its voice: plain data, and its figures now and then.

Knows no network.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent")

MAX_EVENT_BYTES = 5 * 1024
METRICS_EVENT = "agent_metrics"


def check_event(data: Any) -> None:
    """Raises :class:`ValueError` if `data` is no JSON object, or one of more than `MAX_EVENT_BYTES`."""
    if not isinstance(data, dict):
        raise ValueError(f"a custom event is a dict, not {type(data).__name__}")
    try:
        size = len(msgspec.json.encode(data))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"a custom event holds JSON's types alone: {error}") from None
    if size > MAX_EVENT_BYTES:
        raise ValueError(f"a custom event of {size} bytes, and at most {MAX_EVENT_BYTES} can be sent at once")


class Broadcast:
    """Has the agent's figures sent every `interval_seconds`. Raises :class:`ValueError` if that is not above 0."""

    def __init__(self, send: Callable[[], Awaitable[None]], interval_seconds: float, clock: Clock) -> None:
        if interval_seconds <= 0:
            raise ValueError(f"broadcast_metrics_interval is {interval_seconds:g} and must be above 0, in seconds")
        self._send = send
        self._interval_seconds = interval_seconds
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled, or until it is clear that the edge has no way for it. A failure ends nothing else."""
        while True:
            await self._clock.sleep(self._interval_seconds)
            try:
                await self._send()
            except NotImplementedError as error:
                logger.warning("broadcast_metrics is of no use here: %s", error)
                return
            except Exception as error:
                logger.warning("the agent's figures were not sent: %s: %s", type(error).__name__, error)
