"""The parts of a core/v1 Pod that scheduling and the local node look at."""

from __future__ import annotations

from datetime import datetime  # msgspec reads annotations at run time
from functools import cached_property
from typing import Any

from msgspec import field

from greenroom_core.model import names
from greenroom_core.model.meta import ConditionStatus, OwnerReference, Resource, Wire


class PodCondition(Wire, frozen=True):
    type: str
    status: ConditionStatus
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class ContainerStatus(Wire, frozen=True):
    name: str = ""
    ready: bool = False
    restart_count: int = 0
    state: dict[str, Any] = field(default_factory=dict)


class PodSpec(Wire, frozen=True):
    node_name: str = ""
    termination_grace_period_seconds: int | None = None
    containers: tuple[dict[str, Any], ...] = ()


class PodStatus(Wire, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = field(name="podIP", default="")
    start_time: datetime | None = None
    conditions: tuple[PodCondition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Resource, frozen=True, dict=True, gc=True):
    """What is asked of a pod is asked at every cycle, so it is worked out once for each version of it."""

    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)

    @cached_property
    def runtime(self) -> str:
        """Name of the AgentRuntime that it belongs to, by label and by owner; "" for a pod that is none of ours."""
        owner = self._owner
        ours = owner is not None and self.metadata.labels.get(names.RUNTIME_LABEL) == owner.name
        return owner.name if owner is not None and ours else ""

    @cached_property
    def owner_uid(self) -> str:
        """Of the AgentRuntime that it was made for: one that comes back under the same name is another."""
        owner = self._owner
        return owner.uid if owner is not None else ""

    @cached_property
    def _owner(self) -> OwnerReference | None:
        """Who controls it, if that is an AgentRuntime."""
        for owner in self.metadata.owner_references:
            if owner.controller:
                ours = owner.kind == names.RUNTIME_KIND and owner.api_version.startswith(names.GROUP + "/")
                return owner if ours else None
        return None

    @cached_property
    def revision(self) -> str:
        return self.metadata.labels.get(names.REVISION_LABEL, "")

    @cached_property
    def slots(self) -> int:
        value = self.metadata.annotations.get(names.SLOTS_ANNOTATION, "")
        return int(value) if value.isdecimal() else 0

    @cached_property
    def busy(self) -> bool:
        return names.BUSY_LABEL in self.metadata.labels

    @cached_property
    def cordoned(self) -> bool:
        return bool(self.metadata.annotations.get(names.CORDONED))

    @cached_property
    def ready(self) -> bool:
        return any(c.type == "Ready" and c.status is ConditionStatus.TRUE for c in self.status.conditions)

    @cached_property
    def ready_since(self) -> datetime | None:
        """When it got ready; None while it is not."""
        return (
            next((c.last_transition_time for c in self.status.conditions if c.type == "Ready"), None)
            if self.ready
            else None
        )

    @cached_property
    def leaving(self) -> bool:
        return self.metadata.deletion_timestamp is not None

    @cached_property
    def finished(self) -> bool:
        """Its process is over: a runtime pod is one process life."""
        return self.status.phase in ("Failed", "Succeeded")
