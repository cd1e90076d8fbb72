"""Carries out what was planned for sessions, one write of each at a time, and takes its answer in.

Until the answer is known the plan counts as done; it goes into the store before the next look at the session.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from greenroom_core.model.meta import find
from greenroom_core.model.phases import Phase
from greenroom_core.model.session import SCHEDULED
from greenroom_operator.cluster.events import Kind
from greenroom_operator.cluster.writer import purpose
from greenroom_operator.planning.values import Bind, SetFinalizers, WriteStatus

if TYPE_CHECKING:
    from asyncio import TaskGroup

    from greenroom_core.clock import Clock
    from greenroom_core.kube.feed import Feed
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.cluster.events import Events
    from greenroom_operator.cluster.writer import Writer
    from greenroom_operator.metrics import OperatorMetrics
    from greenroom_operator.planning.values import SessionWrite
    from greenroom_operator.state.term import Term

logger = logging.getLogger("greenroom.operator.scheduler")


class SessionWrites:
    """`under_way`: the uids of sessions that are not to be planned for before their answer is here."""

    def __init__(
        self,
        clock: Clock,
        writer: Writer,
        sessions: Feed[AgentSession],
        term: Term,
        events: Events,
        metrics: OperatorMetrics,
    ) -> None:
        self.under_way: set[str] = set()
        self._clock = clock
        self._writer = writer
        self._sessions = sessions
        self._term = term
        self._events = events
        self._metrics = metrics

    def start(self, write: SessionWrite, group: TaskGroup) -> None:
        """Assumes it done. Raises Withheld, in the group, when leadership is over."""
        if isinstance(write, Bind | SetFinalizers) and write.pod is not None:
            self._term.ledger.assume(write.session, write.pod.metadata.uid)
        self.under_way.add(write.session.metadata.uid)
        group.create_task(self._write(write))

    async def _write(self, write: SessionWrite) -> None:
        session = write.session
        begun = self._clock.boot()
        after = await self._writer.session(write)
        self._metrics.wrote(purpose(write), self._clock.boot() - begun)
        if isinstance(write, WriteStatus):
            self._tell(write)
        if isinstance(write, Bind) and after is not None and after.status.pod_uid == write.pod.metadata.uid:
            self._metrics.bound(self._clock.wall(), session)
            self._tell_moved(write)
        self._settle(session, after)

    def _tell(self, write: WriteStatus) -> None:
        """What is decided against a session, or makes it wait for, stands in the log and in an event, too."""
        shown = find(write.fields["conditions"], SCHEDULED)
        reason, message = write.fields.get("reason"), write.fields.get("message")
        if reason is None and shown is not None:
            reason, message = shown.reason, shown.message
        session = write.session
        named = {"session": session.metadata.name, "call": session.spec.call_id}
        logger.info("session %s, %s: %s: %s", session.metadata.key, write.purpose, reason, message, extra=named)
        if reason is not None and (write.fields.get("phase") is not Phase.CLOSED):
            self._events.of_session(session, Kind.WARNING, str(reason), message or "")

    def _tell_moved(self, bind: Bind) -> None:
        last = bind.session.status.last_attempt
        if last is not None:
            text = f"attempt {bind.fields['attempt']} is pod {bind.pod.metadata.name}'s; {last.reason}: {last.message}"
            self._events.of_session(bind.session, Kind.NORMAL, "BoundAgain", text)

    def _settle(self, before: AgentSession, after: AgentSession | None) -> None:
        """What was assumed gives way to what is known."""
        self.under_way.discard(before.metadata.uid)
        if after is None:
            self._sessions.forget(before)
            self._term.discard(before)
            return
        self._sessions.learn(after)
        self._term.settle(self._sessions.store.get(before.metadata.uid) or after)
