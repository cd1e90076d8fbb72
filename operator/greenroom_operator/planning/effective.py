"""Which settings hold for a session: its own before its AgentRuntime's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model.session import Effective, RestartPolicy, SessionDefaults, SessionLimits

if TYPE_CHECKING:
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession

START_DEADLINE_SECONDS = 60.0
START_TIMEOUT_SECONDS = 60.0
TAKE_BACK_SECONDS = START_TIMEOUT_SECONDS + 15.0


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def effective(session: AgentSession, runtime: AgentRuntime | None) -> Effective:
    """The merged settings. Time limits that neither sets stay None: the agent file or the built-in decides."""
    own = session.spec
    fleet = runtime.spec.session_defaults if runtime is not None else SessionDefaults()
    ttl = own.ttl_seconds_after_finished
    return Effective(
        limits=SessionLimits(
            max_duration_seconds=_first(own.limits.max_duration_seconds, fleet.limits.max_duration_seconds),
            idle_timeout_seconds=_first(own.limits.idle_timeout_seconds, fleet.limits.idle_timeout_seconds),
            start_deadline_seconds=_first(
                own.limits.start_deadline_seconds, fleet.limits.start_deadline_seconds, START_DEADLINE_SECONDS
            ),
        ),
        restart_policy=own.restart_policy or fleet.restart_policy or RestartPolicy.NEVER,
        ttl_seconds_after_finished=ttl if ttl is not None else fleet.ttl_seconds_after_finished,
    )


def start_deadline_seconds(session: AgentSession, runtime: AgentRuntime | None) -> float:
    return effective(session, runtime).limits.start_deadline_seconds or START_DEADLINE_SECONDS
