"""The nodes: they take pods, run their processes, show how those are, and end them. What is due is looked up, again
and again, as a kubelet does; a node that is cut off looks at nothing, and its processes reach nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.programs import PodProgram

from greenroom_core.kube.kinds import PODS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.simulation.kubectl import Kubectl, Object

LOOK_SECONDS = 0.5
IMAGE, OTHER_IMAGE, BROKEN_IMAGE, CRASHING_IMAGE = "agent:1", "agent:2", "agent:none", "agent:dies"
NODES = ("node-1", "node-2")


@dataclass(slots=True)
class _Held:
    """One pod of a node: its process, and what its object was told last."""

    program: PodProgram
    node: str
    shown: tuple[str, bool] = ("Pending", False)
    kill_at: float | None = None


@dataclass(slots=True)
class Kubelets:
    """`make(pod)` gives the process of a pod, begun; `now()` is the loop's time and `wall()` that of day; `on_killed`
    hears of a process that was ended without being asked whether it can leave."""

    kubectl: Kubectl
    make: Callable[[Object], PodProgram]
    now: Callable[[], float]
    wall: Callable[[], datetime]
    on_killed: Callable[[PodProgram], None]
    cut: set[str] = field(default_factory=set)
    held: dict[str, _Held] = field(default_factory=dict)

    def look(self) -> None:
        """One round of all nodes that can be reached."""
        pods = {pod["metadata"]["uid"]: pod for pod in self.kubectl.pods()}
        for pod in pods.values():
            if "nodeName" not in pod["spec"]:
                self._schedule(pod)
            elif pod["spec"]["nodeName"] not in self.cut:
                self._care_for(pod)
        for uid, held in list(self.held.items()):
            if uid not in pods and held.node not in self.cut:
                self._end(held)
                del self.held[uid]

    def programs(self) -> list[PodProgram]:
        """Those that live, the oldest first."""
        return [held.program for held in self.held.values() if held.program.alive]

    def on(self, node: str) -> list[PodProgram]:
        return [held.program for held in self.held.values() if held.node == node]

    def reach_again(self, node: str) -> None:
        """It is not cut off any more, and shows its pods anew: others may have written on them meanwhile."""
        self.cut.discard(node)
        for held in self.held.values():
            if held.node == node:
                held.shown = ("", False)

    def _schedule(self, pod: Object) -> None:
        meta = pod["metadata"]
        closed = {node["metadata"]["name"] for node in self.kubectl.nodes() if node["spec"].get("unschedulable")}
        open_nodes = [node for node in NODES if node not in self.cut and node not in closed]
        if open_nodes and "deletionTimestamp" not in meta:
            # The emptier one, so that a fleet of two stands on two nodes.
            node = min(open_nodes, key=lambda name: sum(held.node == name for held in self.held.values()))
            self.kubectl.bind(meta["name"], node)

    def _care_for(self, pod: Object) -> None:
        meta = pod["metadata"]
        held = self.held.get(meta["uid"])
        if held is None:
            self._begin(pod)
        elif "deletionTimestamp" in meta:
            self._let_go(pod, held)
        else:
            self._show(pod, held)

    def _begin(self, pod: Object) -> None:
        meta, image = pod["metadata"], pod["spec"]["containers"][0]["image"]
        if "deletionTimestamp" in meta:
            self.kubectl.delete(PODS, meta["name"], grace_seconds=0)
        elif image == CRASHING_IMAGE:
            self._write(meta["name"], "Failed", ready=False)
        elif image != BROKEN_IMAGE and pod["status"]["phase"] == "Pending":
            self.held[meta["uid"]] = _Held(self.make(pod), pod["spec"]["nodeName"])

    def _let_go(self, pod: Object, held: _Held) -> None:
        program = held.program
        if held.kill_at is None:
            held.kill_at = self.now() + pod["metadata"]["deletionGracePeriodSeconds"]
            if program.alive:
                program.leave()
        if self.now() >= held.kill_at:
            self._end(held)
        if _over(program):
            self.kubectl.delete(PODS, pod["metadata"]["name"], grace_seconds=0)
        else:
            self._show(pod, held)

    def _show(self, pod: Object, held: _Held) -> None:
        program = held.program
        if _over(program):
            wanted = ("Succeeded" if program.alive and program.error() is None else "Failed", False)
        else:
            wanted = ("Running", program.runtime.ready)
        if wanted != held.shown:
            held.shown = wanted
            self._write(pod["metadata"]["name"], wanted[0], ready=wanted[1])

    def _write(self, name: str, phase: str, *, ready: bool) -> None:
        condition: dict[str, Any] = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": self.wall().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        status = {"phase": phase, "podIP": "10.0.0.1", "conditions": [condition]}
        self.kubectl.patch(PODS, name, {"status": status}, subresource="status")

    def _end(self, held: _Held) -> None:
        if not _over(held.program):
            held.program.kill()
            self.on_killed(held.program)


def _over(program: PodProgram) -> bool:
    return not program.alive or (program.task is not None and program.task.done())
