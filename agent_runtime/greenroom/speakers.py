"""The filter that agents of the package `vision_agents` have for several people who speak at once.

Its first warm-up downloads a model. A start must not need that: without it everybody is heard, whoever spoke first.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from greenroom.redaction import described
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from greenroom.warmup import WarmupCache

logger = logging.getLogger("greenroom.runtime.agent")

_ATTRIBUTE = "_multi_speaker_filter"
_LONGEST_WARM_UP_SECONDS = 10.0


class EverybodySpeaks:
    """Stands in for a filter that is not ready: left as it is, it would raise as soon as two people are in a call."""

    async def process_audio(self, pcm: Any, participant: object) -> Any:
        return pcm

    def clear(self, participant: object = None) -> None:
        """Nobody holds the floor."""


class SpeakerFilters:
    """Of one launcher: a filter class that could not be warmed up once is not tried again for every agent."""

    def __init__(self, cache: WarmupCache) -> None:
        self._cache = cache
        self._given_up: set[type] = set()

    async def warm(self, agent: Any) -> None:
        """Make the agent's filter ready, or replace it; nothing at all for agents that have none. Never raises."""
        filtering = getattr(agent, _ATTRIBUTE, None)
        if not callable(getattr(filtering, "on_warmup", None)):
            return
        if type(filtering) not in self._given_up and await self._warmed(filtering):
            return
        self._given_up.add(type(filtering))
        setattr(agent, _ATTRIBUTE, EverybodySpeaks())

    async def _warmed(self, filtering: Any) -> bool:
        try:
            async with SystemClock().timeout(_LONGEST_WARM_UP_SECONDS):
                await self._cache.warmup(filtering)
        except Exception as error:
            logger.warning(
                "%s cannot be warmed up: agents hear everybody who speaks: %s",
                type(filtering).__name__,
                described(error),
            )
            return False
        return True
