"""The label that keeps everyone from deleting a pod that holds sessions: on before the first bind, off when idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_operator.planning.values import pod_runtime_key

if TYPE_CHECKING:
    from asyncio import TaskGroup

    from greenroom_core.kube.feed import Feed
    from greenroom_core.model.pod import Pod
    from greenroom_operator.cluster.writer import Writer
    from greenroom_operator.state.term import Term


class BusyLabels:
    """Writes `term.labelling`: a pod whose label is on its way is no longer one to delete."""

    def __init__(self, writer: Writer, pods: Feed[Pod], term: Term) -> None:
        self._writer = writer
        self._pods = pods
        self._term = term

    def put_on(self, pod: Pod, group: TaskGroup) -> None:
        """Once; the pod's change brings the next cycle."""
        if pod.metadata.uid not in self._term.labelling:
            self._term.labelling.add(pod.metadata.uid)
            group.create_task(self._put_on(pod))

    async def take_off(self, pod: Pod) -> None:
        """Only at the version seen: a session that came meanwhile has changed it."""
        after = await self._writer.label_busy(pod, busy=False)
        if after is not None:
            self._pods.learn(after)

    async def _put_on(self, pod: Pod) -> None:
        try:
            after = await self._writer.label_busy(pod, busy=True)
        finally:
            self._term.labelling.discard(pod.metadata.uid)
        if after is None:
            self._pods.forget(pod)
        else:
            self._pods.learn(after)
        self._term.agenda.look_at_fleets(pod_runtime_key(pod))
