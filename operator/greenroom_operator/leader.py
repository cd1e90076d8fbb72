"""What a replica runs while it leads: the loops over what one term of leadership knows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom_operator.cluster.events import Events
from greenroom_operator.cluster.holds import Holds
from greenroom_operator.cluster.writer import Writer
from greenroom_operator.loops.alarm import Alarm
from greenroom_operator.loops.busy_labels import BusyLabels
from greenroom_operator.loops.fleets import Fleets
from greenroom_operator.loops.pod_examinations import PodExaminations
from greenroom_operator.loops.scheduler import Scheduler
from greenroom_operator.loops.session_writes import SessionWrites
from greenroom_operator.state.term import Term

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.kube.feed import Change, Feed
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.cluster.lease import Leadership
    from greenroom_operator.cluster.nodes import CordonedNodes
    from greenroom_operator.metrics import OperatorMetrics
    from greenroom_operator.planning.figures import FleetFigures
    from greenroom_operator.planning.values import Fleet, RuntimeKey


class Leader:
    """Made anew for each term, once the feeds are relisted and the fence is up. `client` sends only while the Lease
    holds; `observe` and `gone` are told of AgentRuntimes that an answer shows, or shows to be no more."""

    def __init__(
        self,
        *,
        client: KubeClient,
        leadership: Leadership,
        sessions: Feed[AgentSession],
        pods: Feed[Pod],
        nodes: CordonedNodes,
        fleets: Mapping[RuntimeKey, Fleet],
        observe: Callable[[AgentRuntime], None],
        gone: Callable[[str, str, str], None],
        metrics: OperatorMetrics,
    ) -> None:
        self._clock = clock = client.world.clock
        self._events = Events(client, leadership.identity)
        alarm = Alarm(clock)
        self.term = Term(sessions.store, fleets, alarm.ring)
        writer = Writer(client, metrics.refused)
        labels = BusyLabels(writer, pods, self.term)
        self._fleets = Fleets(
            client=client,
            writer=writer,
            term=self.term,
            known=fleets,
            pods=pods,
            nodes=nodes,
            labels=labels,
            holds=Holds(client, pods, observe, gone),
            events=self._events,
        )
        self._scheduler = Scheduler(
            clock=clock,
            alarm=alarm,
            term=self.term,
            epoch=leadership.epoch,
            fleets=fleets,
            sessions=sessions,
            pods=pods,
            nodes=nodes,
            writes=SessionWrites(clock, writer, sessions, self.term, self._events, metrics),
            labels=labels,
            examinations=PodExaminations(clock, writer, pods, self.term, alarm.ring),
            on_short=self._fleets.look_at,
            metrics=metrics,
        )

    async def run(self) -> None:
        """Until cancelled. Raises Withheld, in a group, when leadership is over."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scheduler.run())
            group.create_task(self._fleets.run())
            group.create_task(self._events.run())

    def figures(self) -> dict[RuntimeKey, FleetFigures]:
        return self._fleets.figures()

    def on_session(self, change: Change[AgentSession]) -> None:
        self.term.on_session(change, self._clock.wall())
        self._fleets.on_session()

    def on_pod(self, change: Change[Pod]) -> None:
        self.term.on_pod(change)
        self._fleets.on_pod(change)

    def on_fleet(self, key: RuntimeKey) -> None:
        """The AgentRuntime, or a node that its pods are on, has changed."""
        self.term.on_fleet(key)
        self._fleets.look_at(key)
