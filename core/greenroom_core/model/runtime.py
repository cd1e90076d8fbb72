"""AgentRuntime: a fleet of warm pods that sessions run in."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, field

from greenroom_core.model.meta import Conditions, Resource, Wire
from greenroom_core.model.session import SessionDefaults

AVAILABLE = "Available"
PROGRESSING = "Progressing"

IntOrPercent = Annotated[
    int | str,
    Meta(extra_json_schema={"x-kubernetes-int-or-string": True, "pattern": "^[0-9]+%?$"}),
]
Count = Annotated[int, Meta(ge=0, le=10_000)]
LABEL_KEY_PATTERN = "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
LABEL_KEY_MAX_LENGTH = 317


class Placement(StrEnum):
    """Which of several free pods takes the next session."""

    PACKED = "Packed"
    SPREAD = "Spread"


class WhenFull(StrEnum):
    """What becomes of a session for which there is no free slot."""

    WAIT = "Wait"
    REFUSE = "Refuse"


class Autoscaling(Wire, frozen=True, kw_only=True):
    min_pods: Count = 0
    max_pods: Count
    buffer_sessions: Annotated[
        IntOrPercent, Meta(description="Warm free slots to keep: a number, or a percentage of those in use.")
    ] = 1
    scale_down_delay_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 300


class RuntimeLimits(Wire, frozen=True):
    max_concurrent_sessions: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Sessions of this runtime at one time.")
    ] = None
    max_sessions_per_call: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Sessions of this runtime with one callId.")
    ] = None


class UpdateStrategy(Wire, frozen=True):
    max_surge: Annotated[IntOrPercent, Meta(description="How many pods a rollout may add beyond the fleet's size.")] = (
        "25%"
    )


class Queue(Wire, frozen=True):
    """How sessions wait for slots."""

    fair_by: Annotated[
        Annotated[str, Meta(pattern=LABEL_KEY_PATTERN, min_length=1, max_length=LABEL_KEY_MAX_LENGTH)] | None,
        Meta(
            description="A label of the sessions: among those of equal priority its values take turns, fewest slots "
            "first; sessions without it are together one value. Absent: age alone."
        ),
    ] = None
    when_full: Annotated[
        WhenFull,
        Meta(
            description="Refuse: a session ends at once (NoCapacity) when there is no free slot and no pod is to "
            "come with one for it. Wait: it waits until its start deadline."
        ),
    ] = WhenFull.WAIT


class RuntimeSpec(Wire, frozen=True, kw_only=True):
    template: Annotated[
        dict[str, Any],
        Meta(
            description="Pod template; its first container runs the agent file with the argument `runtime`.",
            extra_json_schema={"x-kubernetes-preserve-unknown-fields": True},
        ),
    ]
    sessions_per_pod: Annotated[int, Meta(ge=1, le=1000, description="Slots of a pod, fixed at its creation.")] = 10
    replicas: Annotated[Count | None, Meta(description="Fixed number of pods.")] = None
    autoscaling: Autoscaling | None = None
    limits: RuntimeLimits = field(default_factory=RuntimeLimits)
    session_defaults: SessionDefaults = field(default_factory=SessionDefaults)
    queue: Queue = field(default_factory=Queue)
    placement: Placement = Placement.PACKED
    drain_timeout_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="How long a leaving pod may finish its calls.")
    ] = 3600
    update_strategy: UpdateStrategy = field(default_factory=UpdateStrategy)


class RuntimeStatus(Wire, frozen=True, omit_defaults=False):
    pods: int = 0
    ready_pods: int = 0
    slots: int = 0
    free_slots: int = 0
    sessions: int = 0
    pending: int = 0
    leaving_pods: Annotated[
        int, Meta(description="Pods on their way out: deleted, cordoned, or of an older revision.")
    ] = 0
    leaving_sessions: Annotated[int, Meta(description="Sessions that these still hold.")] = 0
    revision: str = ""
    selector: str = ""
    observed_generation: int = 0
    conditions: Conditions = ()


class AgentRuntime(Resource, frozen=True, kw_only=True):
    spec: RuntimeSpec
    status: RuntimeStatus = field(default_factory=RuntimeStatus)
