"""AgentSession: one AI agent on one call.

`spec` says what is wanted and never changes. `status` is a baton: the operator writes it until the bind, the bound
pod from then on, the operator again once that pod is lost or has given the session back.
"""

from __future__ import annotations

from datetime import datetime  # msgspec reads annotations at run time
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, field

from greenroom_core.model import names
from greenroom_core.model.meta import Conditions, Resource, Wire
from greenroom_core.model.metrics import SessionMetrics
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason, WaitReason

CALL_ID_PATTERN = "^[a-z0-9_-]+$"
CALL_ID_MAX_LENGTH = 255
MESSAGE_MAX_LENGTH = 1024
ANSWER_MAX_LENGTH = 16_384
CHECKPOINT_MAX_BYTES = 16_384

CallId = Annotated[
    str, Meta(pattern=CALL_ID_PATTERN, min_length=1, max_length=CALL_ID_MAX_LENGTH, description="The call.")
]
ObjectName = Annotated[str, Meta(min_length=1, max_length=253)]
PositiveSeconds = Annotated[float, Meta(gt=0, le=31_536_000)]

SCHEDULED = "Scheduled"
READY = "Ready"
JOINED = "Joined"


class RestartPolicy(StrEnum):
    """What follows the loss of the pod of a session that has been Running."""

    NEVER = "Never"
    ON_POD_LOSS = "OnPodLoss"


class SessionLimits(Wire, frozen=True):
    """Time limits of one session; what is absent comes from the AgentRuntime, the agent file, the built-in."""

    max_duration_seconds: Annotated[
        PositiveSeconds | None, Meta(description="The session is closed this long after its start.")
    ] = None
    idle_timeout_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=31_536_000)] | None,
        Meta(description="The agent leaves after being alone this long; 0 turns it off. Built-in: 60."),
    ] = None
    start_deadline_seconds: Annotated[
        PositiveSeconds | None, Meta(description="How long to wait for a free slot. Built-in: 60.")
    ] = None


class SessionDefaults(Wire, frozen=True):
    """What a session's own spec may leave out."""

    limits: Annotated[SessionLimits, Meta(description="Limits of time. What is absent has the next one's say.")] = (
        field(default_factory=SessionLimits)
    )
    restart_policy: Annotated[
        RestartPolicy | None,
        Meta(description="Whether a session that has been Running runs again after its pod was lost."),
    ] = None
    ttl_seconds_after_finished: Annotated[
        Annotated[int, Meta(ge=0, le=31_536_000)] | None,
        Meta(description="The object is deleted this long after the session's end; absent: never."),
    ] = None


class SessionSpec(SessionDefaults, frozen=True, kw_only=True):
    call_id: CallId
    call_type: Annotated[str, Meta(min_length=1, max_length=64, description="The call's type.")] = "default"
    runtime: Annotated[ObjectName, Meta(description="The AgentRuntime that may run it.")] = names.DEFAULT_RUNTIME
    pod_name: Annotated[ObjectName | None, Meta(description="Only this pod may run it; absent: any.")] = None
    parameters: Annotated[
        dict[str, Any],
        Meta(
            description="Passed to create_agent and join_call as far as their signatures take them. Never a "
            "file path, never a secret.",
            extra_json_schema={"x-kubernetes-preserve-unknown-fields": True, "maxProperties": 128},
        ),
    ] = field(default_factory=dict)
    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000, description="Higher is bound first while Pending.")] = 0


class Effective(SessionDefaults, frozen=True):
    """The merged settings that hold for the attempt: session before AgentRuntime. Written with the bind."""


class Checkpoint(Wire, frozen=True, kw_only=True):
    """What an agent has left for its session's next attempt. A text, so that the server can bound it and gives it back
    to the letter: as an object it would lose numbers beyond 64 bits."""

    state: Annotated[str, Meta(max_length=CHECKPOINT_MAX_BYTES, description="A JSON object, encoded; at most 16 KiB.")]
    attempt: Annotated[int, Meta(ge=1, description="The attempt whose agent left it.")]


class LastAttempt(Wire, frozen=True, kw_only=True):
    """The attempt before this one, as far as it went: what lastState is to a container."""

    attempt: Annotated[int, Meta(ge=1, description="Its number.")]
    pod_name: Annotated[str | None, Meta(description="The pod that it was in.")] = None
    revision: Annotated[str | None, Meta(description="Of the template that this pod was made from.")] = None
    started_at: Annotated[datetime | None, Meta(description="When its agent was built.")] = None
    joined_at: Annotated[datetime | None, Meta(description="When its agent was in the call.")] = None
    ended_at: Annotated[datetime, Meta(description="When it was given back, or its loss was known.")]
    reason: Annotated[WaitReason, Meta(description="Why the session had to leave that pod.")]
    message: Annotated[str, Meta(max_length=MESSAGE_MAX_LENGTH, description="The same in a sentence.")] = ""
    first_started_at: Annotated[
        datetime | None,
        Meta(description="When the session's first agent was built: maxDurationSeconds counts from it."),
    ] = None
    losses: Annotated[
        int, Meta(ge=0, description="Pods lost in a row; one that ran the session for over ten minutes begins anew.")
    ] = 0


class SessionStatus(Wire, frozen=True):
    phase: Annotated[
        Phase, Meta(description="Where it is in its life. Running: the agent has been built, and is joining the call.")
    ] = Phase.PENDING
    pod_name: Annotated[str | None, Meta(description="The pod that it is bound to.")] = None
    pod_uid: Annotated[
        str | None, Meta(description="Of that pod: names come back. Who has this uid writes the rest of the status.")
    ] = field(name="podUID", default=None)
    attempt: Annotated[int, Meta(ge=0, description="Grows with each bind.")] = 0
    epoch: Annotated[int, Meta(ge=0, description="The leadership that decided last.")] = 0
    effective: Annotated[
        Effective | None,
        Meta(description="The settings that hold for this attempt: the session's own, else the runtime's."),
    ] = None
    revision: Annotated[str | None, Meta(description="Of the AgentRuntime's template that its pod was made from.")] = (
        None
    )
    scheduled_at: Annotated[datetime | None, Meta(description="When it was bound to its pod.")] = None
    started_at: Annotated[datetime | None, Meta(description="When its agent was built, in this attempt.")] = None
    joined_at: Annotated[datetime | None, Meta(description="When its agent was in the call, in this attempt.")] = None
    ended_at: Annotated[datetime | None, Meta(description="When it became Closed or Failed.")] = None
    reason: Annotated[EndReason | None, Meta(description="Why it ended.")] = None
    message: Annotated[
        Annotated[str, Meta(max_length=MESSAGE_MAX_LENGTH)] | None, Meta(description="The same in a sentence.")
    ] = None
    conditions: Annotated[
        Conditions, Meta(description="Scheduled: it has a pod, or why it waits. Ready: its agent is built. Joined.")
    ] = ()
    last_attempt: Annotated[
        LastAttempt | None, Meta(description="Of a session that has left a pod to run in another; kept with its end.")
    ] = None
    metrics: Annotated[
        SessionMetrics | None,
        Meta(description="Figures of the call. avg: a mean in the unit named, absent without a sample; total: a sum."),
    ] = None
    metrics_generated_at: Annotated[datetime | None, Meta(description="When these figures were taken.")] = None
    answer: Annotated[
        Annotated[str, Meta(max_length=ANSWER_MAX_LENGTH)] | None,
        Meta(
            description="What the agent's edge answers to an offer among the parameters, for instance an SDP. Written "
            "by the pod, once an attempt; gone with its end."
        ),
    ] = None
    checkpoint: Annotated[
        Checkpoint | None,
        Meta(
            description="What the agent had kept when its pod gave the running session back, for the next attempt. "
            "Gone with the session's end."
        ),
    ] = None


class AgentSession(Resource, frozen=True, kw_only=True):
    spec: SessionSpec
    status: SessionStatus = field(default_factory=SessionStatus)

    @property
    def bound(self) -> bool:
        """A pod holds it, and with it the baton."""
        return self.status.pod_uid is not None and not self.ended

    @property
    def ended(self) -> bool:
        return self.status.phase.terminal

    @property
    def close_requested(self) -> bool:
        """By the annotation, or by code in its pod, which writes the reason ahead of the end."""
        annotated = bool(self.metadata.annotations.get(names.CLOSE_REQUESTED))
        return annotated or self.status.reason is EndReason.CLOSE_REQUESTED

    @property
    def started_by(self) -> str:
        """The uid of the pod whose launcher started it for itself; empty for all others."""
        return self.metadata.labels.get(names.STARTED_BY, "")

    @property
    def deleting(self) -> bool:
        return self.metadata.deletion_timestamp is not None
