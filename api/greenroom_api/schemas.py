"""The bodies that clients send and get, for checking and for the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from greenroom_api.backend import StartRequest
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import RestartPolicy, SessionLimits

_YEAR_SECONDS = 31_536_000
_OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


class Asked(BaseModel):
    """A body from outside: what it does not know it refuses, and it takes no text for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LimitsAsked(Asked):
    """Time limits in seconds; what is absent comes from the runtime."""

    max_duration_seconds: Annotated[
        float | None, Field(gt=0, le=_YEAR_SECONDS, description="The session is closed this long after its start.")
    ] = None
    idle_timeout_seconds: Annotated[
        float | None,
        Field(ge=0, le=_YEAR_SECONDS, description="The agent leaves after being alone this long; 0: never."),
    ] = None
    start_deadline_seconds: Annotated[
        float | None, Field(gt=0, le=_YEAR_SECONDS, description="How long to wait for a free slot.")
    ] = None


class StartAsked(Asked):
    """What to start. Every field may be left out, and so may the whole body."""

    call_type: Annotated[str, Field(min_length=1, max_length=64, description="The call's type.")] = "default"
    runtime: Annotated[
        str, Field(max_length=253, pattern=_OBJECT_NAME, description="The AgentRuntime that is to run it.")
    ] = "default"
    parameters: Annotated[
        dict[str, Any],
        Field(max_length=128, description="For create_agent and join_call, as far as their signatures take them."),
    ] = {}
    limits: LimitsAsked = LimitsAsked()
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000, description="Higher is bound first.")] = 0
    restart_policy: Annotated[
        RestartPolicy | None, Field(strict=False, description="Whether it runs again after its pod was lost.")
    ] = None
    ttl_seconds_after_finished: Annotated[
        int | None, Field(ge=0, le=_YEAR_SECONDS, description="How long the ended session stays listed.")
    ] = None
    labels: Annotated[
        dict[str, str], Field(max_length=64, description="Labels of the AgentSession object, in Kubernetes' syntax.")
    ] = {}

    def request(
        self, call_id: str, *, idempotency_key: str | None = None, caller: str = "", respond_async: bool = False
    ) -> StartRequest:
        """The same, as the backend takes it."""
        limits = self.limits
        return StartRequest(
            call_id=call_id,
            call_type=self.call_type,
            runtime=self.runtime,
            parameters=self.parameters,
            limits=SessionLimits(
                max_duration_seconds=limits.max_duration_seconds,
                idle_timeout_seconds=limits.idle_timeout_seconds,
                start_deadline_seconds=limits.start_deadline_seconds,
            ),
            priority=self.priority,
            restart_policy=self.restart_policy,
            ttl_seconds_after_finished=self.ttl_seconds_after_finished,
            labels=self.labels,
            idempotency_key=idempotency_key,
            caller=caller,
            respond_async=respond_async,
        )


class SessionStarted(BaseModel):
    """The answer to a start."""

    session_id: str
    call_id: str
    session_started_at: datetime


class QueueShown(BaseModel):
    """Where a session that waits for a slot stands: 1 is next, null while it pauses after several lost pods. The
    expected wait goes by the last five minutes."""

    position: int | None
    expected_wait_seconds: float | None
    cause: str | None


class SessionShown(BaseModel):
    """One living session; `session_started_at` is null while it waits for its agent, `queue` is there while it waits
    for a slot."""

    session_id: str
    call_id: str
    session_started_at: datetime | None
    queue: QueueShown | None = None


class MetricsShown(BaseModel):
    """The 25 figures of a living session; averages are null before their first sample."""

    session_id: str
    call_id: str
    session_started_at: datetime | None
    metrics_generated_at: datetime | None
    metrics: dict[str, int | float | None]


class AnswerShown(BaseModel):
    """What the agent's edge answers to the offer that came with the session, for instance an SDP."""

    session_id: str
    call_id: str
    answer: str


class SessionListed(BaseModel):
    """One session in a listing, living or ended."""

    session_id: str
    call_id: str
    call_type: str
    runtime: str
    phase: Phase
    reason: EndReason | None
    message: str | None
    pod: str | None
    created_at: datetime
    session_started_at: datetime | None
    ended_at: datetime | None


class SessionsListed(BaseModel):
    """Sessions, newest first; pass `next` as `after` to go on, null: there are no more."""

    sessions: list[SessionListed]
    next: str | None


class Problem(BaseModel):
    """Every error's body; `detail` is a list of objects where a body or a query is invalid."""

    detail: str | list[dict[str, Any]]
