"""A feed that outlives its own faults: should it fail itself, the calls must not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenroom_core.clock import Clock
    from greenroom_core.kube.feed import Feed

logger = logging.getLogger("greenroom.runtime.feed")

_PAUSE_SECONDS = 1.0


async def keep_fed(feed: Feed[Any], clock: Clock) -> None:
    """Until cancelled."""
    while True:
        try:
            await feed.run()
        except Exception:
            logger.exception("a feed of sessions failed and is started again")
            await clock.sleep(_PAUSE_SECONDS)
