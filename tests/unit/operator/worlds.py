"""Builders of the values that planning reads: a world in a few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from greenroom_core.model import names
from greenroom_core.model.meta import ConditionStatus, ObjectMeta, OwnerReference
from greenroom_core.model.pod import Pod, PodCondition, PodSpec, PodStatus
from greenroom_core.model.runtime import (
    AgentRuntime,
    Autoscaling,
    Placement,
    Queue,
    RuntimeLimits,
    RuntimeSpec,
    UpdateStrategy,
)
from greenroom_core.model.session import AgentSession, SessionDefaults, SessionSpec, SessionStatus
from greenroom_operator.planning.values import Fleet, RuntimeKey, Snapshot, runtime_key
from greenroom_operator.state.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
KEY = RuntimeKey("ns", "default")
REVISION = "rev1"
TEMPLATE: dict[str, Any] = {"spec": {"containers": [{"name": "agent", "image": "agent:1"}]}}


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def session(
    name: str = "s1",
    *,
    call: str = "c1",
    age: float = 10.0,
    finalizer: bool = True,
    deleting: bool = False,
    close: bool = False,
    spec: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
    **status: Any,
) -> AgentSession:
    return AgentSession(
        metadata=ObjectMeta(
            name=name,
            namespace=KEY.namespace,
            uid=f"uid-{name}",
            resource_version="7",
            creation_timestamp=ago(age),
            deletion_timestamp=ago(1) if deleting else None,
            labels=labels or {},
            annotations={names.CLOSE_REQUESTED: "now"} if close else {},
            finalizers=(names.LEAVE_CALL,) if finalizer else (),
        ),
        spec=SessionSpec(call_id=call, **(spec or {})),
        status=SessionStatus(**status),
    )


def pod(
    name: str = "p1",
    *,
    slots: int = 2,
    ready: bool = True,
    busy: bool = True,
    leaving_for: float | None = None,
    phase: str = "Running",
    revision: str = REVISION,
    age: float = 100.0,
    cordoned: bool = False,
    owner: str | None = "uid-fleet",
) -> Pod:
    labels = {names.RUNTIME_LABEL: KEY.name, names.REVISION_LABEL: revision}
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace=KEY.namespace,
            uid=f"uid-{name}",
            resource_version="3",
            creation_timestamp=ago(age),
            deletion_timestamp=ago(leaving_for) if leaving_for is not None else None,
            labels={**labels, **({names.BUSY_LABEL: "true"} if busy else {})},
            annotations={names.SLOTS_ANNOTATION: str(slots), **({names.CORDONED: "yes"} if cordoned else {})},
            owner_references=(owned_by(owner),) if owner is not None else (),
        ),
        spec=PodSpec(node_name="node"),
        status=PodStatus(
            phase=phase,
            conditions=(PodCondition(type="Ready", status=ConditionStatus.TRUE if ready else ConditionStatus.FALSE),),
        ),
    )


def owned_by(uid: str, name: str = KEY.name) -> OwnerReference:
    return OwnerReference(names.API_VERSION, names.RUNTIME_KIND, name, uid, controller=True)


def fleet(
    *,
    replicas: int = 1,
    concurrent: int | None = None,
    per_call: int | None = None,
    placement: Placement = Placement.PACKED,
    defaults: SessionDefaults | None = None,
    revision: str = REVISION,
    deleting: bool = False,
    held: bool = True,
    scaling: Autoscaling | None = None,
    slots: int = 10,
    surge: int | str = "25%",
    queue: Queue | None = None,
) -> Fleet:
    runtime = AgentRuntime(
        metadata=ObjectMeta(
            name=KEY.name,
            namespace=KEY.namespace,
            uid="uid-fleet",
            resource_version="1",
            generation=1,
            deletion_timestamp=ago(1) if deleting else None,
            finalizers=(names.DRAIN,) if held else (),
        ),
        spec=RuntimeSpec(
            template=TEMPLATE,
            sessions_per_pod=slots,
            replicas=replicas if scaling is None else None,
            autoscaling=scaling,
            update_strategy=UpdateStrategy(max_surge=surge),
            limits=RuntimeLimits(max_concurrent_sessions=concurrent, max_sessions_per_call=per_call),
            queue=queue or Queue(),
            placement=placement,
            session_defaults=defaults or SessionDefaults(),
        ),
    )
    return Fleet(runtime, revision)


def snapshot(
    sessions: Iterable[AgentSession],
    pods: Iterable[Pod] = (),
    *,
    of: Fleet | None = None,
    ledger: Ledger | None = None,
    lost: Iterable[str] = (),
    now: datetime = NOW,
) -> Snapshot:
    """All sessions are due, those without a pod wait, and bound ones are in the ledger."""
    known = list(sessions)
    if ledger is None:
        ledger = Ledger()
        for item in known:
            ledger.observe(item)
    waiting = [item for item in known if not item.bound and not item.ended]
    return Snapshot(
        now=now,
        epoch=4,
        fleets={KEY: of} if of is not None else {},
        pods={item.metadata.uid: item for item in pods},
        lost=frozenset(lost),
        tally=ledger,
        due=known,
        waiting={runtime_key(item): waiting for item in waiting},
    )
