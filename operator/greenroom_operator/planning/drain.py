"""When the finalizer on an AgentRuntime goes on and comes off, and what its pods still hold while it is deleted.

With the finalizer its owner outlives a pod, so that no garbage collection takes a pod away from its calls.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from greenroom_core.model import names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greenroom_core.model.pod import Pod
    from greenroom_operator.planning.values import Fleet

DELETING = "Deleting"
"""Reason of the condition Progressing of an AgentRuntime that waits for its last calls."""


class Hold(Enum):
    """A write of the finalizer that is due."""

    PUT_ON = "put on"
    TAKE_OFF = "take off"


def held(fleet: Fleet | None) -> bool:
    """The AgentRuntime stays, though deleted, until the operator lets it go: its pods may be made."""
    return fleet is not None and names.DRAIN in fleet.runtime.metadata.finalizers


def hold(fleet: Fleet | None, pods: Sequence[Pod], wanted: int, being_made: int) -> Hold | None:
    """On before the first pod is made (`wanted` more), or over pods that are there; off after the last one, finished
    and leaving ones counted, is gone. None can be put on while the object is deleted."""
    if fleet is None:
        return None
    if not fleet.deleting:
        return Hold.PUT_ON if not held(fleet) and (wanted > 0 or pods) else None
    return Hold.TAKE_OFF if held(fleet) and not pods and not being_made else None


def waits_for(pods: Sequence[Pod], sessions: Mapping[str, int]) -> str:
    """What keeps a deleted AgentRuntime, for people; `sessions` by pod uid."""
    live = sum(sessions.get(pod.metadata.uid, 0) for pod in pods)
    if live:
        return f"takes no new session, and goes when its last call ends: {_count(live, 'session')} to go"
    return f"no session is left; {_count(len(pods), 'pod')} to go"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
