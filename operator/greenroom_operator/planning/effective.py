"""Which settings hold for a session: its own before its AgentRuntime's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model.session import Effective, RestartPolicy, SessionDefaults, SessionLimits

if TYPE_CHECKING:
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession

START_DEADLINE_SECONDS = 60.0
START_TIMEOUT_SECONDS = 60.0
OWN_START_KEPT_SECONDS = 3600
"""A launcher's own starts are kept as long as what comes by REST, where the AgentRuntime says nothing."""
TAKE_BACK_SECONDS = START_TIMEOUT_SECONDS + 15.0


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def effective(session: AgentSession, runtime: AgentRuntime | None) -> Effective:
    """The merged settings. Time limits that neither sets stay None: the agent file or the built-in decides."""
    own = session.spec
    fleet = runtime.spec.session_defaults if runtime is not None else SessionDefaults()
    kept = OWN_START_KEPT_SECONDS if session.started_by else None
    ttls = (own.ttl_seconds_after_finished, fleet.ttl_seconds_after_finished, kept)
    return Effective(
        limits=SessionLimits(
            max_duration_seconds=_first(own.limits.max_duration_seconds, fleet.limits.max_duration_seconds),
            idle_timeout_seconds=_first(own.limits.idle_timeout_seconds, fleet.limits.idle_timeout_seconds),
            start_deadline_seconds=_first(
                own.limits.start_deadline_seconds, fleet.limits.start_deadline_seconds, START_DEADLINE_SECONDS
            ),
        ),
        restart_policy=own.restart_policy or fleet.restart_policy or RestartPolicy.NEVER,
        ttl_seconds_after_finished=next((ttl for ttl in ttls if ttl is not None), None),
    )


def start_deadline_seconds(session: AgentSession, runtime: AgentRuntime | None) -> float:
    return effective(session, runtime).limits.start_deadline_seconds or START_DEADLINE_SECONDS
