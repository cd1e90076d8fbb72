"""Sessions that one pod alone may run (`spec.podName`): whether that pod will ever take them.

A launcher's own starts are of this kind; they say in a label which life of the pod has started them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model import names
from greenroom_core.model.reasons import EndReason
from greenroom_operator.planning.values import pod_runtime_key, runtime_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.planning.values import Ending

REFUSAL_SHOWN_SECONDS = 30
"""So long the pod has to see why its own start was refused, should its watch be broken just then."""


def known_pod(session: AgentSession, pods: Mapping[str, Pod]) -> Pod | None:
    """The pod that bears the name, as far as it is known. Names come back: the one that started it goes first."""
    place = (session.metadata.namespace, session.spec.pod_name)
    started_by = pods.get(session.started_by)
    if started_by is not None and _place(started_by) == place:
        return started_by
    return next((pod for pod in pods.values() if _place(pod) == place), None)


def refusal(session: AgentSession, pod: Pod | None) -> Ending | None:
    """Why `pod` (None: a read has shown that there is none) will never take the session; None when it may."""
    name = session.spec.pod_name
    if pod is None or not may_be(session, pod):
        return EndReason.POD_LOST, f"pod {name}, which alone may run it, is gone"
    if pod.finished:
        return EndReason.POD_LOST, f"pod {name}, which alone may run it, has ended"
    if pod.leaving:
        return EndReason.POD_LOST, f"pod {name}, which alone may run it, is leaving"
    if pod_runtime_key(pod) != runtime_key(session):
        return EndReason.INVALID_SPEC, f"spec.podName: pod {name} is none of AgentRuntime {session.spec.runtime!r}"
    return None


def kept_seconds(session: AgentSession) -> int | None:
    """How long an own start that has ended is kept where that is not as long as any other: who asked for one that was
    refused or withdrawn has been told, so it leaves no record."""
    status = session.status
    had_a_pod = status.pod_uid is not None or status.last_attempt is not None
    if not session.started_by or had_a_pod or status.reason is EndReason.POD_LOST:
        return None
    by_its_pod = (
        status.reason is EndReason.CLOSE_REQUESTED and names.CLOSE_REQUESTED not in session.metadata.annotations
    )
    return 0 if by_its_pod else REFUSAL_SHOWN_SECONDS


def _place(pod: Pod) -> tuple[str, str]:
    return pod.metadata.namespace, pod.metadata.name


def may_be(session: AgentSession, pod: Pod) -> bool:
    """Whether `pod`, found under its name, is the very pod that is meant."""
    return session.started_by in ("", pod.metadata.uid)
