"""What the bench sees of the sessions of one namespace: when each was bound and ran, and whether anything was wrong.

It keeps a few numbers a session and no history, since the whole checker (`tests.invariants`) keeps every body.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenroom_core.kube.client import Selection
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model.meta import ConditionStatus, find
from greenroom_core.model.phases import Phase
from greenroom_core.model.session import SCHEDULED, AgentSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.kube.client import KubeClient


@dataclass(slots=True)
class Seen:
    """Of one session, by name; moments are of the machine's monotonic clock, as this process heard of them."""

    added_at: float
    bound_at: float | None = None
    epoch: int = 0
    running_at: float | None = None
    joined: bool = False
    attempts: int = 0
    waited: bool = False


@dataclass(slots=True)
class Witness:
    """`wrongs` are sentences: a pod over its slots, a session that ended badly, one that was bound twice."""

    client: KubeClient
    namespace: str
    slots: int
    seen: dict[str, Seen] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    joined: set[str] = field(default_factory=set)
    wrongs: list[str] = field(default_factory=list)
    _held: Counter[str] = field(default_factory=Counter)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until cancelled."""
        await Feed(self.client, SESSIONS, Selection(self.namespace), self._on_session).run()

    async def until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        """Looks at every change. AssertionError when it does not come about."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            state = f"{len(self.live)} live, {len(self.running)} running, {len(self.joined)} joined"
            raise AssertionError(f"{what}: not in {seconds:g} s ({state}; {self.wrongs[:5]})") from None

    def _on_session(self, change: Change[AgentSession]) -> None:
        self._count(change.old, -1)
        self._count(change.new, 1)
        if change.new is None:
            self._gone(change.old)
        else:
            self._note(change.new)
        self._moved.set()

    def _count(self, session: AgentSession | None, step: int) -> None:
        if session is None or not session.bound:
            return
        pod = session.status.pod_uid or ""
        self._held[pod] += step
        if self._held[pod] > self.slots:
            self.wrongs.append(f"{session.metadata.name}: pod {session.status.pod_name} holds {self._held[pod]}")

    def _note(self, session: AgentSession) -> None:
        now, name, status = time.monotonic(), session.metadata.name, session.status
        seen = self.seen.setdefault(name, Seen(now))
        if session.bound and status.attempt != seen.attempts:
            if seen.attempts:
                self.wrongs.append(f"{name}: attempt {status.attempt}")
            seen.bound_at, seen.epoch, seen.attempts = now, status.epoch, status.attempt
        if status.phase is Phase.RUNNING and seen.running_at is None:
            seen.running_at = now
        shown = find(status.conditions, SCHEDULED)
        seen.waited |= shown is not None and shown.status is ConditionStatus.FALSE
        if status.phase is Phase.FAILED:
            self.wrongs.append(f"{name}: failed, {status.reason}: {status.message}")
        for group, member in (
            (self.live, not session.ended),
            (self.running, status.phase is Phase.RUNNING),
            (self.joined, status.joined_at is not None and not session.ended),
        ):
            (group.add if member else group.discard)(name)

    def _gone(self, session: AgentSession | None) -> None:
        if session is not None:
            for group in (self.live, self.running, self.joined):
                group.discard(session.metadata.name)
            if not session.ended:
                self.wrongs.append(f"{session.metadata.name}: vanished while {session.status.phase}")
