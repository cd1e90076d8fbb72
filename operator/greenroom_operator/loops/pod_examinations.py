"""Asks the API server for pods of which the feed makes doubtful that they live.

Absence is not proof: only a read of the pod itself says that it is lost.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from greenroom_operator.planning.lifecycle import is_lost
from greenroom_operator.planning.pinned import refusal

if TYPE_CHECKING:
    from asyncio import TaskGroup
    from collections.abc import Callable

    from greenroom_core.clock import Clock
    from greenroom_core.kube.feed import Feed
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.cluster.writer import Writer
    from greenroom_operator.planning.values import ExamineOnlyPod, ExaminePod
    from greenroom_operator.state.term import Term

_AGAIN = timedelta(seconds=5)


class PodExaminations:
    """Writes `term.lost` and `term.unplaceable`. `ring()` tells the loop of a deadline that it does not know yet."""

    def __init__(self, clock: Clock, writer: Writer, pods: Feed[Pod], term: Term, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._writer = writer
        self._pods = pods
        self._term = term
        self._ring = ring
        self._under_way: set[str] = set()

    def start(self, question: ExaminePod, group: TaskGroup) -> None:
        """Of the pod that sessions are bound to."""
        if question.uid not in self._under_way:
            self._under_way.add(question.uid)
            group.create_task(self._examine(question))

    def start_of_only_pod(self, question: ExamineOnlyPod, group: TaskGroup) -> None:
        """Of the pod that alone may run a session."""
        uid = question.session.metadata.uid
        if uid not in self._under_way:
            self._under_way.add(uid)
            group.create_task(self._examine_only(question.session))

    async def _examine(self, question: ExaminePod) -> None:
        pod = await self._writer.read_pod(question.namespace, question.name)
        self._under_way.discard(question.uid)
        sessions = [session.metadata.uid for session in self._term.bound_to(question.uid)]
        if pod is None or is_lost(pod, question.uid, self._clock.wall()):
            self._term.lost.add(question.uid)
            self._term.agenda.look_at(*sessions)
            return
        self._pods.learn(pod)
        for uid in sessions:
            self._term.agenda.look_again(uid, self._clock.wall() + _AGAIN)
        self._ring()

    async def _examine_only(self, session: AgentSession) -> None:
        uid = session.metadata.uid
        pod = await self._writer.read_pod(session.metadata.namespace, session.spec.pod_name or "")
        self._under_way.discard(uid)
        ending = refusal(session, pod)
        if ending is not None:
            self._term.unplaceable[uid] = ending
        elif pod is not None:
            self._pods.learn(pod)
        self._term.agenda.look_at(uid)
