"""Why a pod does not start, in the words of whoever keeps it from it: scheduler, kubelet, its own process. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model.meta import ConditionStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greenroom_core.model.pod import ContainerStatus, Pod

MAX_CHARACTERS = 300
_ON_ITS_WAY = frozenset({"", "ContainerCreating", "PodInitializing"})


def trouble(pod: Pod) -> str | None:
    """Reason and message in one line, None for a pod that is ready or on its way."""
    if pod.ready or pod.leaving:
        return None
    for why in _reasons(pod):
        reason, message = why
        return f"{reason}: {message}".removesuffix(": ")[:MAX_CHARACTERS]
    return None


def exit_reason(pod: Pod) -> str:
    """How a finished pod's process ended, as far as its node says."""
    for container in pod.status.container_statuses:
        if terminated := container.state.get("terminated"):
            return f"exit code {terminated.get('exitCode')} {terminated.get('reason', '')}".strip()
    return pod.status.message or pod.status.reason or pod.status.phase


def _reasons(pod: Pod) -> Iterable[tuple[str, str]]:
    if pod.finished:
        yield "Ended", exit_reason(pod)
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status is ConditionStatus.FALSE:
            yield condition.reason or "Unschedulable", condition.message
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        yield from _waits(container)


def _waits(container: ContainerStatus) -> Iterable[tuple[str, str]]:
    waiting = container.state.get("waiting") or {}
    if waiting.get("reason", "") not in _ON_ITS_WAY:
        yield waiting["reason"], waiting.get("message", "")
