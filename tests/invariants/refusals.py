"""I1: a session is refused for lack of slots only where its AgentRuntime says so, and only while none is free."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.invariants import events
from tests.invariants.events import Kind
from tests.invariants.slots import free_pods, may_use, runtime_of_step

from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.invariants.replay import State, Step


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A refusal beside a slot that looked free."""

    uid: str
    runtime: str
    pod: str
    at: float
    text: str


class Refusals:
    """A refusal may rest on what was true up to `decision_seconds` ago, and on binds that are seen up to so much later:
    a free slot that was another's already has been taken by then. Runtimes that have let everybody wait since
    longer ago than that are not looked at more closely: there a refusal is a violation in any case."""

    name = "I1 refusals"

    def __init__(self, decision_seconds: float) -> None:
        self._decision_seconds = decision_seconds
        self._refuses: dict[str, bool] = {}
        self._changed_at: dict[str, float] = {}
        self._free_since: dict[str, dict[str, float]] = defaultdict(dict)
        self._doubts: list[_Doubt] = []

    def see(self, step: Step, state: State) -> Iterator[tuple[str, str]]:
        runtime = runtime_of_step(step)
        yield from self._settled(state.at)
        # What held until just now is what a refusal is judged by.
        if step.event.kind is Kind.SESSION and _newly_refused(step):
            yield from self._judge(step.event.uid, runtime, step.event.body, state.at)
        if step.event.kind is Kind.RUNTIME:
            self._learn(runtime, step.after, state.at)
        if self._may_refuse(runtime, state.at):
            free, since = free_pods(runtime, state), self._free_since[runtime]
            self._free_since[runtime] = {pod: since.get(pod, state.at) for pod in free}
            self._doubts = [doubt for doubt in self._doubts if doubt.runtime != runtime or doubt.pod in free]

    def finish(self, state: State) -> Iterator[tuple[str, str]]:
        for doubt in self._doubts:
            yield doubt.uid, doubt.text

    def _settled(self, at: float) -> Iterator[tuple[str, str]]:
        """The slot has stayed free for as long after the refusal: nobody was on the way to it."""
        for doubt in self._doubts:
            if at - doubt.at > self._decision_seconds:
                yield doubt.uid, doubt.text
        self._doubts = [doubt for doubt in self._doubts if at - doubt.at <= self._decision_seconds]

    def _learn(self, runtime: str, body: Mapping[str, Any] | None, at: float) -> None:
        refuses = body is not None and (body["spec"].get("queue") or {}).get("whenFull") == "Refuse"
        if self._refuses.get(runtime) != refuses:
            self._refuses[runtime], self._changed_at[runtime] = refuses, at

    def _may_refuse(self, runtime: str, at: float) -> bool:
        if self._refuses.get(runtime, False):
            return True
        # The first value ever seen is no change from another.
        changed_at = self._changed_at.get(runtime, float("-inf"))
        return runtime in self._free_since and at - changed_at <= self._decision_seconds

    def _judge(self, uid: str, runtime: str, body: Mapping[str, Any], at: float) -> Iterator[tuple[str, str]]:
        if not self._may_refuse(runtime, at):
            yield uid, "refused for lack of slots, and its AgentRuntime lets sessions wait"
        if events.attempt(body) > 0:
            yield uid, "refused for lack of slots though a pod has had it before"
        for pod, since in self._free_since[runtime].items():
            if may_use(body, {pod}) and at - since > self._decision_seconds:
                text = f"refused for lack of slots while pod {pod} has had one free for {at - since:.1f} s"
                self._doubts.append(_Doubt(uid, runtime, pod, at, text))


def _newly_refused(step: Step) -> bool:
    body = step.after
    newly = body is not None and (step.before is None or not events.ended(step.before))
    return body is not None and newly and events.status(body).get("reason") == EndReason.NO_CAPACITY
