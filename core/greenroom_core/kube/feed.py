"""A living copy of a set of objects: list, watch, bookmarks, list again when the server has forgotten.

The feed reports what changed. It never says that an object was deleted, only that it is no longer in the
selection: absence is not proof, so whoever acts on one reads the object by name first.
"""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from greenroom_core.kube.client import KubeClient, Selection, Unreadable, WatchEvent, readable
from greenroom_core.kube.errors import Denied, Expired, KubeError
from greenroom_core.kube.kinds import Kind, Loose, R, kind
from greenroom_core.kube.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.kube.client import Page

logger = logging.getLogger("greenroom.core.feed")

_LIVED_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS, _LONGEST_DENIED_SECONDS = 2.0, 300.0

_bookmarks: Kind[Loose] = kind("", "bookmarks", Loose)


@dataclass(frozen=True, slots=True)
class Change(Generic[R]):
    """`old` is None for an object not known before; `new` is None for one that left the selection."""

    old: R | None
    new: R | None


class Feed(Generic[R]):
    """Keeps `store` like the API server's objects of `kind` in `selection`; `on_change` is called, in order and
    without awaiting, for every step.

    `without` is for a feed that its program can do without, and says what is lost then: where the server denies it,
    that is logged once, and asked again ever less often, down to once in five minutes.
    """

    def __init__(
        self,
        client: KubeClient,
        kind: Kind[R],
        selection: Selection,
        on_change: Callable[[Change[R]], None],
        *,
        without: str = "",
    ) -> None:
        self.store: Store[R] = Store()
        self.synced = asyncio.Event()
        self.heard_at = client.world.clock.boot()
        self._client = client
        self._kind = kind
        self._selection = selection
        self._on_change = on_change
        self._version = ""
        self._listed_from = -math.inf
        self._moved = asyncio.Event()
        self._without = without
        self._failures = 0
        self._denied = False
        self._expired = False
        self._opened_at: float | None = None
        self._listing = asyncio.Lock()

    @property
    def silence_seconds(self) -> float:
        """Since the server last said anything on this feed; bookmarks come about once a minute, where anything
        happens to the kind."""
        return self._client.world.clock.boot() - self.heard_at

    def learn(self, item: R) -> None:
        """Takes the body of an answer, which is often ahead of the watch."""
        taken, old = self.store.put(item)
        if taken:
            self._on_change(Change(old, item))

    def forget(self, item: R) -> None:
        """Takes a 404 on `item`, as it was known when asked."""
        old = self.store.drop(item.metadata.uid, item.metadata.version)
        if old is not None:
            self._on_change(Change(old, None))

    async def relist(self, *, unless_since: float = math.inf) -> None:
        """A quorum list of everything, taken into the store; one that was begun after `unless_since`, a time of the
        boot clock, will do. Raises what the client raises.

        One at a time: an answer that is overtaken by a later list's would bring back what has left since.
        """
        async with self._listing:
            if self._listed_from >= unless_since:
                return
            begun = self._client.world.clock.boot()
            self._take_in(await self._client.list(self._kind, self._selection))
            self._listed_from = begun

    async def newest_version(self) -> int:
        """What the store would come to by a list now, told by a quorum read. Raises what the client raises."""
        return int(await self._client.newest_version(self._kind, self._selection))

    async def reach(self, version: int) -> None:
        """Returns once the store has all that had happened up to `version`.

        The watch brings changes in their order, so it is there with the first change, or bookmark, that is no older:
        soon where much happens, late where nothing does.
        """
        while int(self._version or "0") < version:
            self._moved.clear()
            await self._moved.wait()

    def _take_in(self, page: Page[R]) -> None:
        self.heard_at = self._client.world.clock.boot()
        for item in page.items:
            self.learn(item)
        version = int(page.version or "0")
        for item in self.store.missing_from(page.items, version):
            if item.metadata.uid not in page.unreadable:
                self._drop(item, version)
        self._go_on_from(page.version)
        self.synced.set()

    async def run(self) -> None:
        """Lists and watches until cancelled. Every outage is logged once and outlived."""
        while True:
            problem = await self._round()
            if self._lived:
                self._failures, self._expired, self._denied = 0, False, False
                if problem is None:
                    continue
            if isinstance(problem, Expired) and not self._expired:
                self._expired = True
                continue
            self._failures += 1
            await self._client.world.clock.sleep(self._set_back(problem))

    def _set_back(self, problem: KubeError | None) -> float:
        """Says what went wrong, where that is news, and gives the seconds until the next try."""
        denied = bool(self._without) and isinstance(problem, Denied)
        news = self._failures == 1 or (denied and not self._denied)
        self._denied = denied
        level = logging.WARNING if news else logging.DEBUG
        after = f"{self._without}; asking again now and then" if denied else "trying again"
        logger.log(level, "%s: %s; %s", self._kind.plural, problem or "the watch ended at once", after)
        return min(0.1 * 2.0 ** min(self._failures, 12), _LONGEST_DENIED_SECONDS if denied else _LONGEST_PAUSE_SECONDS)

    async def _round(self) -> KubeError | None:
        """Lists where there is nothing to go on from, and watches; gives what ended it, None for good order."""
        self._opened_at = None
        try:
            if not self._version:
                await self.relist()
            await self._watch()
        except Expired as error:
            self._go_on_from("")
            return error
        except KubeError as error:
            return error
        return None

    @property
    def _lived(self) -> bool:
        """The last watch was a real one: a server that ends each at once must not be asked in a tight loop."""
        return self._opened_at is not None and self._client.world.clock.boot() - self._opened_at >= _LIVED_SECONDS

    async def _watch(self) -> None:
        async with self._client.watch(self._kind, self._selection, self._version) as events:
            self._opened_at = self.heard_at = self._client.world.clock.boot()
            async for event in events:
                self.heard_at = self._client.world.clock.boot()
                self._take(event)

    def _take(self, event: WatchEvent) -> None:
        if event.type == "BOOKMARK":
            self._go_on_from(_bookmarks.decoder.decode(event.object).metadata.resource_version)
            return
        item = readable(self._kind, event.object)
        if isinstance(item, Unreadable):
            self._go_on_from(item.version)
            return
        if event.type == "DELETED":
            self._drop(item, item.metadata.version)
        else:
            self.learn(item)
        self._go_on_from(item.metadata.resource_version)

    def _go_on_from(self, version: str) -> None:
        """All up to there is in the store."""
        self._version = version
        self._moved.set()

    def _drop(self, item: R, version: int) -> None:
        old = self.store.drop(item.metadata.uid, version)
        if old is not None:
            self._on_change(Change(old, None))
