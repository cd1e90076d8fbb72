"""What planning reads and what it answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from datetime import datetime

    from greenroom_core.model.pod import Pod
    from greenroom_core.model.queue import Share
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession

Ending = tuple[EndReason, str]
"""Why a session ends, and a message for people."""


class RuntimeKey(NamedTuple):
    """Names an AgentRuntime, existing or not."""

    namespace: str
    name: str


class CallKey(NamedTuple):
    """What maxSessionsPerCall counts by."""

    runtime: RuntimeKey
    call_id: str


def runtime_key(session: AgentSession) -> RuntimeKey:
    return RuntimeKey(session.metadata.namespace, session.spec.runtime)


def call_key(session: AgentSession) -> CallKey:
    return CallKey(runtime_key(session), session.spec.call_id)


def pod_runtime_key(pod: Pod) -> RuntimeKey:
    return RuntimeKey(pod.metadata.namespace, pod.runtime)


@dataclass(frozen=True, slots=True)
class Fleet:
    """An AgentRuntime and the revision that its template stands for now."""

    runtime: AgentRuntime
    revision: str

    @property
    def key(self) -> RuntimeKey:
        return RuntimeKey(self.runtime.metadata.namespace, self.runtime.metadata.name)

    @property
    def deleting(self) -> bool:
        """It takes no new session and makes no pod; calls go on to their end."""
        return self.runtime.metadata.deletion_timestamp is not None


class Tally(Protocol):
    """Read access to the slot ledger: sessions that count, writes under way included."""

    def admitted(self, uid: str) -> bool: ...
    def in_runtime(self, runtime: RuntimeKey) -> int: ...
    def in_call(self, call: CallKey) -> int: ...
    def on_pod(self, pod_uid: str) -> int: ...
    def shares(self, runtime: RuntimeKey, fair_by: str) -> Mapping[str, Share]: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The world as one cycle sees it. Sessions with a write under way are in neither sequence.

    `due` are the sessions to look at now; `waiting` those without a pod, by runtime, only for runtimes where
    something has changed; `lost` the uids of pods that a read has shown to be gone; `resting` those of pods that have
    given a session back a moment ago; `unplaceable` the uids of sessions of which a read of their only pod has shown
    that it will never take them, and why; `failing` the runtimes on whose newest revision sessions fail at their start;
    `cordoned_nodes` the names of nodes that `kubectl cordon` has closed; `sizes` how many pods of its newest revision
    each fleet is to have, as far as that has been decided.
    """

    now: datetime
    epoch: int
    fleets: Mapping[RuntimeKey, Fleet]
    pods: Mapping[str, Pod]
    lost: Container[str]
    tally: Tally
    due: Sequence[AgentSession]
    waiting: Mapping[RuntimeKey, Sequence[AgentSession]]
    resting: Container[str] = frozenset()
    unplaceable: Mapping[str, Ending] = field(default_factory=dict)
    failing: Container[RuntimeKey] = frozenset()
    cordoned_nodes: Container[str] = frozenset()
    sizes: Mapping[RuntimeKey, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Admit:
    """Counts the session towards its limits from now on; nothing is written."""

    session: AgentSession


@dataclass(frozen=True, slots=True)
class Bind:
    """Gives the session to the pod; `fields` are the status fields to write."""

    session: AgentSession
    pod: Pod
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Any other status write of the operator; `purpose` is one word for logs and metrics."""

    session: AgentSession
    purpose: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SetFinalizers:
    """`pod`: the one that is to take the session next; it keeps the slot meanwhile."""

    session: AgentSession
    finalizers: tuple[str, ...]
    pod: Pod | None = None


@dataclass(frozen=True, slots=True)
class DeleteSession:
    """Its time to live is over."""

    session: AgentSession


@dataclass(frozen=True, slots=True)
class ExaminePod:
    """Asks the API server whether the pod that a session is bound to still lives."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class ExamineOnlyPod:
    """Asks the API server for the pod that alone may run the session, and that the feed does not show."""

    session: AgentSession


@dataclass(frozen=True, slots=True)
class MarkBusy:
    """Puts the busy label on a pod before its first bind."""

    pod: Pod


SessionWrite = Bind | WriteStatus | SetFinalizers | DeleteSession
Action = Admit | SessionWrite | ExaminePod | ExamineOnlyPod | MarkBusy


@dataclass(frozen=True, slots=True)
class Plan:
    """`wake` says when each session looked at must be looked at again, if nothing happens before; `short` how many
    sessions of each fleet that was looked at any pod might take, if one had a slot."""

    actions: tuple[Action, ...]
    wake: Mapping[str, datetime]
    short: Mapping[RuntimeKey, int]
