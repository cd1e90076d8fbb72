"""What is left of a session's time in an attempt, and whether it goes on elsewhere when its pod leaves. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.recovery import first_started_at
from greenroom_core.model.session import RestartPolicy

if TYPE_CHECKING:
    from datetime import datetime

    from greenroom.limits import TimeLimits
    from greenroom_core.model.session import AgentSession


def time_limits(session: AgentSession, own: TimeLimits, now: datetime) -> TimeLimits:
    """What the bind says, else `own`, the agent file's or the built-in ones; less what earlier attempts have spent."""
    effective, begun = session.status.effective, first_started_at(session.status)
    limits = own.with_session(effective.limits) if effective is not None else own
    return limits if begun is None else replace(limits, spent_seconds=max(0.0, (now - begun).total_seconds()))


def may_run_again(session: AgentSession) -> bool:
    """The loss of its pod would not be its end."""
    effective = session.status.effective
    return effective is not None and effective.restart_policy is RestartPolicy.ON_POD_LOSS


def may_move(session: AgentSession) -> bool:
    """Other pods may run it, too."""
    return session.spec.pod_name is None


def moves(session: AgentSession, reason: EndReason, phase: Phase, *, left_behind: bool) -> bool:
    """That its pod leaves is no end to a session that may run again, or whose agent was never there, as long as nobody
    wants its end and no agent is left behind: there must never be two."""
    if reason is not EndReason.DRAINED or session.deleting or session.close_requested or left_behind:
        return False
    return may_move(session) and (may_run_again(session) or phase is Phase.SCHEDULED)
