"""What the events of a script do. Each is done at once; what has to be undone later is put on the loop's timer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tests.simulation.kubelets import BROKEN_IMAGE, CRASHING_IMAGE, IMAGE, NODES, OTHER_IMAGE
from tests.simulation.programs import PodProgram
from tests.simulation.script import TEAM, Event

from greenroom_core.kube.kinds import PODS, RUNTIMES, SESSIONS
from greenroom_core.model import names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.cast import Cast
    from tests.simulation.clients import Clients
    from tests.simulation.kubectl import Object
    from tests.simulation.programs import ApiProgram, Program, Road

T = TypeVar("T")
_IMAGES = (IMAGE, OTHER_IMAGE, BROKEN_IMAGE, CRASHING_IMAGE)
_EVICT_EVERY_SECONDS = 2.0
_NOT_READY_AFTER_SECONDS, _EVICTED_AFTER_SECONDS = 10.0, 20.0
_MADE_AGAIN_SECONDS = 4.0
_FOR_LONG_SECONDS = 50.0


def template(image: str) -> Object:
    return {"spec": {"containers": [{"name": "agent", "image": image}]}}


@dataclass
class Happenings:
    """`happen(event)` for each, and `calm()` at dusk, when every trouble is over."""

    cast: Cast
    clients: Clients
    dusk: bool = False
    _names: int = 0
    _wanted_runtimes: dict[str, Object] = field(default_factory=dict)
    _silent: dict[Program, None] = field(default_factory=dict)

    def create_fleets(self) -> None:
        for name, spec in self.cast.script.fleets.items():
            self._wanted_runtimes[name] = {"template": template(IMAGE), **spec}
            self.cast.kubectl.create_runtime(name, self._wanted_runtimes[name])

    def happen(self, event: Event) -> None:
        self.cast.journal.note(f"event {event.what} {event.pick} {event.value}")
        act: Callable[[float, Any], None] = getattr(self, "_" + event.what.replace("-", "_"))
        act(event.pick, event.value)

    def calm(self) -> None:
        cast = self.cast
        self.dusk = True
        cast.server.start()
        for program in cast.programs:
            program.road.clear()
            if program.alive:
                self._connect(program)
                program.process.go_on()
        for node in NODES:
            cast.kubectl.cordon(node, unschedulable=False)
        for pod in cast.kubectl.pods():
            self._uncordon_pod(pod["metadata"]["name"])
        for name, spec in self._wanted_runtimes.items():
            cast.kubectl.patch(RUNTIMES, name, {"spec": {"template": template(IMAGE)}})
            self._make_again(name, spec)

    def close_all(self) -> None:
        """The last guests are asked to go, but for those whose close is on record: that one has to be carried out."""
        for session in self.cast.kubectl.sessions():
            asked = names.CLOSE_REQUESTED in session["metadata"].get("annotations", {})
            if "endedAt" not in session["status"] and not asked:
                self._close_by_kubectl(session["metadata"]["name"])

    # --- work ---

    def _rest(self, pick: float, wanted: Object) -> None:
        if (api := _picked(self._ready_apis(), pick)) is not None:
            self.clients.start(api, wanted)

    _keyed = _rest

    def _kubectl(self, pick: float, wanted: Object) -> None:
        self._names += 1
        spec: Object = {"callId": wanted["call"], "parameters": {"act": wanted["act"]}}
        fields = {"runtime": "runtime", "limits": "limits", "restart": "restartPolicy", "priority": "priority"}
        spec |= {theirs: wanted[ours] for ours, theirs in fields.items() if ours in wanted}
        if "ttl" in wanted:
            spec["ttlSecondsAfterFinished"] = wanted["ttl"]
        labels = {TEAM: wanted["team"]} if "team" in wanted else {}
        self.cast.kubectl.create_session(f"s{self._names}", labels, spec)

    def _own(self, pick: float, wanted: Object) -> None:
        pods = [pod for pod in self._pods() if pod.runtime.ready and not pod.process.stopped]
        if (pod := _picked(pods, pick)) is not None:
            self.clients.start_own(pod, wanted)

    def _close(self, pick: float, _: None) -> None:
        session, api = self._session(pick), _picked(self._ready_apis(), pick)
        if session is None:
            return
        self.cast.journal.deeds.closed.add(session["metadata"]["name"])
        if api is None or int(pick * 1000) % 2:
            self._close_by_kubectl(session["metadata"]["name"])
        else:
            self.clients.close(api, session)

    def _delete(self, pick: float, _: None) -> None:
        if (session := self._session(pick)) is not None:
            self.cast.journal.deeds.deleted.add(session["metadata"]["uid"])
            self.cast.kubectl.delete(SESSIONS, session["metadata"]["name"])

    def _hang_up(self, pick: float, _: None) -> None:
        self.clients.hang_up(pick)

    def _metrics(self, pick: float, _: None) -> None:
        session, api = self._session(pick), _picked(self._ready_apis(), pick)
        if session is not None and api is not None:
            self.clients.figures(api, session)

    def _read(self, pick: float, _: None) -> None:
        session, api = self._session(pick), _picked(self._ready_apis(), pick)
        if session is not None and api is not None:
            self.clients.read(api, session)

    # --- programs ---

    def _kill(self, pick: float, value: Object) -> None:
        if (program := self._who(value["who"], pick)) is not None:
            self.cast.kill(program, value["steps"])

    def _stop(self, pick: float, value: Object) -> None:
        if (program := self._who(value["who"], pick)) is not None:
            self.cast.terminate(program)

    def _pause(self, pick: float, value: Object) -> None:
        program = self._who(value["who"], pick)
        if program is None or program.process.stopped:
            return

        def go_on() -> None:
            if program.alive:
                program.process.go_on()

        program.process.stop()
        self._later(value["seconds"], go_on)

    def _cut_off(self, pick: float, value: Object) -> None:
        for program in self._all(value["who"], pick):
            program.transport.hold()
            if isinstance(program, PodProgram) and value["seconds"] > _FOR_LONG_SECONDS:
                # By then it may have lost what it was given, and does not know it.
                self.cast.journal.deeds.lost_pods.add(program.uid)
                self._silent[program] = None
                self.cast.loop.call_later(value["seconds"], self._heard_again, program)
            else:
                self._later(value["seconds"], partial(self._connect, program))

    def _break_watches(self, pick: float, who: str) -> None:
        if (program := self._who(who, pick)) is not None:
            program.transport.cut_watches()

    def _end_watches(self, pick: float, who: str) -> None:
        if (program := self._who(who, pick)) is not None:
            program.transport.end_watches()

    def _lag(self, pick: float, value: Object) -> None:
        for program in self._all(value["who"], pick):
            self._for_a_while(program.road, "lag_seconds", value["seconds"], value["for"])

    def _slow_writes(self, pick: float, value: Object) -> None:
        for program in self._all(value["who"], pick):
            self._for_a_while(program.road, "slow_seconds", value["seconds"], value["for"])

    def _lose_replies(self, pick: float, value: Object) -> None:
        for program in self._all(value["who"], pick):
            self._for_a_while(program.road, "loses_replies", True, value["for"])

    def _go_back(self, pick: float, value: Object) -> None:
        if (program := self._who(value["who"], pick)) is not None:
            program.road.back_versions = value["versions"]
            program.transport.cut_watches()

    def _lie(self, pick: float, _: Any) -> None:
        """A pod is shown that a session has gone that it holds."""
        pod = _picked(self._pods(), pick)
        if pod is None:
            return
        held = [s for s in self._living() if s["status"].get("podUID") == pod.uid]
        if (session := _picked(held, pick)) is not None:
            pod.transport.tell_watches("agentsessions.greenroom.dev", "DELETED", session)

    def _clock(self, pick: float, value: Object) -> None:
        if (program := self._who(value["who"], pick)) is not None:
            program.clock.skew_seconds += value["seconds"]

    # --- the API server ---

    def _compact(self, pick: float, _: None) -> None:
        self.cast.server.compact()

    def _outage(self, pick: float, seconds: float) -> None:
        self.cast.server.stop()
        self._later(seconds, self.cast.server.start)

    def _crd_update(self, pick: float, _: None) -> None:
        self.cast.server.crd_updated("agentsessions" if pick < 0.8 else "agentruntimes")

    def _touch(self, pick: float, _: None) -> None:
        """Somebody else writes on what our programs write on."""
        kubectl = self.cast.kubectl
        for kind, there in ((SESSIONS, kubectl.sessions()), (PODS, kubectl.pods()), (RUNTIMES, kubectl.runtimes())):
            if (body := _picked(there, pick)) is not None:
                kubectl.annotate(kind, body["metadata"]["name"], "simulation/touch", str(pick))

    # --- pods and nodes ---

    def _kill_pod(self, pick: float, steps: int) -> None:
        if (pod := _picked(self._pods(), pick)) is not None:
            self.cast.kill(pod, steps)

    def _delete_pod(self, pick: float, _: None) -> None:
        if (pod := _picked(self.cast.kubectl.pods(), pick)) is not None:
            self.cast.journal.deeds.told_pods.add(pod["metadata"]["uid"])
            self.cast.kubectl.delete(PODS, pod["metadata"]["name"])

    def _force_delete_pod(self, pick: float, _: None) -> None:
        if (pod := _picked(self.cast.kubectl.pods(), pick)) is not None:
            self.cast.journal.deeds.lost_pods.add(pod["metadata"]["uid"])
            self.cast.kubectl.delete(PODS, pod["metadata"]["name"], grace_seconds=0)

    def _cut_node(self, pick: float, seconds: float) -> None:
        node, kubelets = NODES[int(pick * len(NODES)) % len(NODES)], self.cast.kubelets
        if node in kubelets.cut:
            return
        kubelets.cut.add(node)
        for program in kubelets.on(node):
            program.transport.hold()
        if seconds > _NOT_READY_AFTER_SECONDS:
            self._later(_NOT_READY_AFTER_SECONDS, lambda: self._pods_unreachable(node))
        if seconds > _EVICTED_AFTER_SECONDS:
            self._later(_EVICTED_AFTER_SECONDS, lambda: self._pods_evicted(node))

        def back() -> None:
            kubelets.reach_again(node)
            for program in kubelets.on(node):
                self._connect(program)

        self.cast.loop.call_later(seconds, back)

    def _drain_node(self, pick: float, seconds: float) -> None:
        node = NODES[int(pick * len(NODES)) % len(NODES)]
        until = self.cast.loop.time() + seconds

        def evict() -> None:
            """What `kubectl drain` may: the disruption budget keeps every pod that bears the busy label."""
            if self.dusk or self.cast.loop.time() > until:
                self.cast.kubectl.cordon(node, unschedulable=False)
                return
            for pod in self.cast.kubectl.pods():
                idle = names.BUSY_LABEL not in pod["metadata"]["labels"]
                if pod["spec"].get("nodeName") == node and idle and "deletionTimestamp" not in pod["metadata"]:
                    self.cast.kubectl.delete(PODS, pod["metadata"]["name"])
            self.cast.loop.call_later(_EVICT_EVERY_SECONDS, evict)

        self.cast.kubectl.cordon(node, unschedulable=True)
        evict()

    def _cordon_pod(self, pick: float, seconds: float) -> None:
        if (pod := _picked(self.cast.kubectl.pods(), pick)) is not None:
            name = pod["metadata"]["name"]
            self.cast.kubectl.annotate(PODS, name, names.CORDONED, "by hand")
            self._later(seconds, lambda: self._uncordon_pod(name))

    # --- fleets ---

    def _scale(self, pick: float, value: list[Any]) -> None:
        name, size = value
        spec = self._wanted_runtimes[name]
        patch: Object = {"replicas": size}
        if "autoscaling" in spec:
            patch = {"autoscaling": {"maxPods": max(size, spec["autoscaling"]["minPods"])}}
        self.cast.kubectl.patch(RUNTIMES, name, {"spec": patch})

    def _rollout(self, pick: float, value: list[Any]) -> None:
        name, image = value
        self.cast.kubectl.patch(RUNTIMES, name, {"spec": {"template": template(_IMAGES[image])}})

    def _delete_runtime(self, pick: float, value: list[Any]) -> None:
        name = value[0]
        self.cast.kubectl.delete(RUNTIMES, name)
        self._later(_MADE_AGAIN_SECONDS, lambda: self._make_again(name, self._wanted_runtimes[name]))

    def _make_again(self, name: str, spec: Object) -> None:
        """Once the one of that name is gone; at dusk, however long that takes."""
        there = [each["metadata"] for each in self.cast.kubectl.runtimes()]
        known = next((meta for meta in there if meta["name"] == name), None)
        if known is None:
            self.cast.kubectl.create_runtime(name, spec)
        elif "deletionTimestamp" in known:
            self.cast.loop.call_later(_MADE_AGAIN_SECONDS, self._make_again, name, spec)

    # --- inside ---

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        """Unless dusk has put everything right before."""

        def unless_dusk() -> None:
            if not self.dusk:
                act()

        self.cast.loop.call_later(seconds, unless_dusk)

    def _connect(self, program: Program) -> None:
        """Unless it, or its node, is cut off for longer."""
        held = next((h for h in self.cast.kubelets.held.values() if h.program is program), None)
        if program not in self._silent and (held is None or held.node not in self.cast.kubelets.cut):
            program.transport.release()

    def _heard_again(self, program: Program) -> None:
        del self._silent[program]
        self._connect(program)

    def _close_by_kubectl(self, name: str) -> None:
        self.cast.journal.deeds.closed.add(name)
        self.cast.kubectl.annotate(SESSIONS, name, names.CLOSE_REQUESTED, "yes")

    def _uncordon_pod(self, name: str) -> None:
        self.cast.kubectl.annotate(PODS, name, names.CORDONED, None)

    def _pods_unreachable(self, node: str) -> None:
        """The node controller marks them; that alone ends nothing."""
        condition = {"type": "Ready", "status": "False"}
        for program in self.cast.kubelets.on(node):
            patch = {"status": {"conditions": [condition]}}
            self.cast.kubectl.patch(PODS, program.pod_name, patch, subresource="status")

    def _pods_evicted(self, node: str) -> None:
        for program in self.cast.kubelets.on(node):
            self.cast.journal.deeds.lost_pods.add(program.uid)
            self.cast.kubectl.delete(PODS, program.pod_name)

    def _for_a_while(self, road: Road, what: str, value: Any, seconds: float) -> None:
        before = getattr(road, what)
        setattr(road, what, value)
        self._later(seconds, lambda: setattr(road, what, before))

    def _all(self, who: str, pick: float) -> Sequence[Program]:
        if who == "every pod":
            return self._pods()
        program = self._who(who, pick)
        return [] if program is None else [program]

    def _who(self, who: str, pick: float) -> Program | None:
        match who:
            case "leader":
                return self.cast.leader() if self.cast.operators else None
            case "operator":
                return _picked(self.cast.operators, pick)
            case "api":
                return _picked(self.cast.apis, pick)
            case _:
                return _picked(self._pods(), pick)

    def _pods(self) -> list[PodProgram]:
        return self.cast.kubelets.programs()

    def _ready_apis(self) -> list[ApiProgram]:
        return [api for api in self.cast.apis if api.ready and not api.process.stopped]

    def _living(self) -> list[Object]:
        return [body for body in self.cast.kubectl.sessions() if "endedAt" not in body["status"]]

    def _session(self, pick: float) -> Object | None:
        """One that lives, if there is one; else any."""
        return _picked(self._living() or self.cast.kubectl.sessions(), pick)


def _picked(those: Sequence[T], pick: float) -> T | None:
    return those[int(pick * len(those)) % len(those)] if those else None
