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
    min_pods: Annotated[Count, Meta(description="The fleet never has fewer; 0: none while nobody calls.")] = 0
    max_pods: Annotated[Count, Meta(description="The fleet never has more.")]
    buffer_sessions: Annotated[
        IntOrPercent, Meta(description="Warm free slots to keep: a number, or a percentage of those in use.")
    ] = 1
    scale_down_delay_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="How long less must have been wanted before the fleet shrinks.")
    ] = 300


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
    autoscaling: Annotated[
        Autoscaling | None, Meta(description="As many pods as sessions need, in place of a fixed number.")
    ] = None
    limits: Annotated[
        RuntimeLimits, Meta(description="How many sessions there may be at one time; absent: as many as have slots.")
    ] = field(default_factory=RuntimeLimits)
    session_defaults: Annotated[SessionDefaults, Meta(description="What a session's own spec may leave out.")] = field(
        default_factory=SessionDefaults
    )
    queue: Annotated[Queue, Meta(description="How sessions wait for slots.")] = field(default_factory=Queue)
    placement: Annotated[
        Placement, Meta(description="Which of several free pods takes the next session: the fullest, or the emptiest.")
    ] = Placement.PACKED
    drain_timeout_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="How long a leaving pod may finish its calls.")
    ] = 3600
    update_strategy: Annotated[UpdateStrategy, Meta(description="How a new revision comes.")] = field(
        default_factory=UpdateStrategy
    )


class RuntimeStatus(Wire, frozen=True, omit_defaults=False):
    pods: Annotated[int, Meta(description="Pods of the fleet, but those that have ended or are deleted.")] = 0
    ready_pods: Annotated[int, Meta(description="Those of them that are ready.")] = 0
    slots: Annotated[int, Meta(description="Sessions that its pods may hold, ready or not.")] = 0
    free_slots: Annotated[int, Meta(description="Slots for new sessions.")] = 0
    sessions: Annotated[int, Meta(description="Sessions that have a pod.")] = 0
    pending: Annotated[int, Meta(description="Sessions that wait for a slot.")] = 0
    leaving_pods: Annotated[
        int, Meta(description="Pods on their way out: deleted, cordoned, or of an older revision.")
    ] = 0
    leaving_sessions: Annotated[int, Meta(description="Sessions that these still hold.")] = 0
    revision: Annotated[str, Meta(description="Of the template, as new pods have it.")] = ""
    selector: Annotated[str, Meta(description="Labels of its pods, for the scale subresource.")] = ""
    observed_generation: Annotated[int, Meta(description="The generation of the spec that this tells of.")] = 0
    conditions: Annotated[
        Conditions, Meta(description="Available: there are slots. Progressing: what goes on, and why it does not.")
    ] = ()


class AgentRuntime(Resource, frozen=True, kw_only=True):
    spec: RuntimeSpec
    status: RuntimeStatus = field(default_factory=RuntimeStatus)
