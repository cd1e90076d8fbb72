"""The nodes that `kubectl cordon` or `kubectl drain` has closed, as far as this program may read nodes.

Of all nodes the API server sends only these, so a large cluster costs no more than a small one. It knows no pods.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import KubeError
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import NODES

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.node import Node

logger = logging.getLogger("greenroom.operator.nodes")

_CORDONED = Selection(fields="spec.unschedulable=true")
_REFRESH_SECONDS = 1.0
_WITHOUT = (
    "pods of a cordoned node go on taking sessions, so `kubectl drain` may wait for ever: give this account get, list "
    "and watch on nodes (a ClusterRole), or set GREENROOM_WATCH_NODES=false"
)


class CordonedNodes:
    """`names` is always of now; `on_change(name)` is called for each node that is cordoned or is no more.

    Nobody waits for it: where nodes may not be read, `names` stays empty, which is said once. `watched`: False asks for
    nothing at all.
    """

    def __init__(self, client: KubeClient, on_change: Callable[[str], None], *, watched: bool = True) -> None:
        self.names: frozenset[str] = frozenset()
        self.watched = watched
        self._clock = client.world.clock
        self._on_change = on_change
        self._feed: Feed[Node] = Feed(client, NODES, _CORDONED, self._changed, without=_WITHOUT)

    @property
    def silence_seconds(self) -> float:
        return self._feed.silence_seconds

    async def run(self) -> None:
        if self.watched:
            await self._feed.run()

    async def refresh(self) -> None:
        """Lists them anew, as far as that can be had at once."""
        if not self.watched:
            return
        try:
            async with self._clock.timeout(_REFRESH_SECONDS):
                await self._feed.relist()
        except (KubeError, TimeoutError) as error:
            logger.debug("cordoned nodes not listed: %r", error)

    def _changed(self, change: Change[Node]) -> None:
        names = frozenset(node.metadata.name for node in self._feed.store if node.spec.unschedulable)
        changed, self.names = names ^ self.names, names
        for name in sorted(changed):
            logger.info("node %s is %s", name, "cordoned" if name in names else "cordoned no more")
            self._on_change(name)
