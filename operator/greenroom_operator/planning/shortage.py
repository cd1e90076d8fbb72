"""Why a fleet has no slot for a session that waits, as far as its own status tells. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model.meta import ConditionStatus, find
from greenroom_core.model.reasons import WaitReason
from greenroom_core.model.runtime import PROGRESSING
from greenroom_operator.planning.size import largest

if TYPE_CHECKING:
    from greenroom_core.model.meta import Condition
    from greenroom_core.model.runtime import AgentRuntime

NOT_STARTING = frozenset({"PodsFailing", "PodsNotStarting", "PodsRefused", "TemplateInvalid"})
"""Reasons of an AgentRuntime's condition Progressing that keep new pods from being ready."""

_MAX_CHARACTERS = 600


def shortage(runtime: AgentRuntime) -> tuple[WaitReason, str]:
    """The cause, and a message for people; the status may be some seconds old."""
    name, most = runtime.metadata.name, largest(runtime.spec)
    text = f"no ready pod of AgentRuntime {name!r} has a free slot"
    shown = find(runtime.status.conditions, PROGRESSING)
    if most == 0:
        size = "replicas" if runtime.spec.autoscaling is None else "maxPods"
        return WaitReason.NO_FREE_SLOT, f"{text}: its {size} is 0"
    if shown is not None and _in_the_way(shown):
        reason = WaitReason.PODS_NOT_STARTING if shown.reason in NOT_STARTING else WaitReason.NO_FREE_SLOT
        return reason, f"{text}: {shown.reason}: {shown.message}"[:_MAX_CHARACTERS]
    return WaitReason.NO_FREE_SLOT, f"{text}: {_pods(runtime, most)}"


def _in_the_way(condition: Condition) -> bool:
    return condition.status is ConditionStatus.FALSE


def _pods(runtime: AgentRuntime, most: int) -> str:
    ready = runtime.status.ready_pods
    if ready < most:
        return f"{ready} of its pods are ready, and it may come to {most}"
    return f"all of its {most} pods are full" if most > 1 else "its one pod is full"
