"""What to do with a session that the API server says is bound to this pod. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from greenroom_core.model.phases import Phase

if TYPE_CHECKING:
    from greenroom_core.model.session import AgentSession


class Admission(Enum):
    IGNORE = auto()
    """Not ours, over, or already taken up."""
    WAIT = auto()
    """Ours, to be looked at again when the pod is warm."""
    START = auto()
    GIVE_BACK = auto()
    """Ours, but this pod will not run it: the operator binds it elsewhere."""
    END = auto()
    """It was closed, deleted or abandoned before it began: nothing is built, it needs no slot."""
    ORPHANED = auto()
    """It is said to run here and does not."""


@dataclass(frozen=True, slots=True)
class PodState:
    """What the decision rests on, as of now."""

    uid: str
    free_slots: int
    warm: bool
    draining: bool


def admission(session: AgentSession, taken_attempt: int, pod: PodState, *, wanted: bool = True) -> Admission:
    """`taken_attempt` is the highest attempt of this session that this process took up, -1 for none; it is not
    `wanted` when this process has started it itself and nobody waits for it any longer."""
    status = session.status
    if status.pod_uid != pod.uid or status.phase.terminal or status.attempt <= taken_attempt:
        return Admission.IGNORE
    if status.phase is not Phase.SCHEDULED:
        return Admission.ORPHANED
    if session.close_requested or session.deleting or not wanted:
        return Admission.END
    if pod.draining:
        return Admission.GIVE_BACK
    if not pod.warm:
        return Admission.WAIT
    return Admission.START if pod.free_slots > 0 else Admission.GIVE_BACK
