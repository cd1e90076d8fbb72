"""Why a session ended, and why one waits: closed lists, so that clients and alerts can rely on them."""

from __future__ import annotations

from enum import StrEnum


class EndReason(StrEnum):
    """`status.reason` of a session in a terminal phase."""

    FINISHED = "Finished"
    CLOSE_REQUESTED = "CloseRequested"
    MAX_DURATION = "MaxDuration"
    IDLE = "Idle"
    DELETED = "Deleted"
    DRAINED = "Drained"
    POD_LOST = "PodLost"
    START_DEADLINE = "StartDeadline"
    START_TIMEOUT = "StartTimeout"
    NO_CAPACITY = "NoCapacity"
    MAX_SESSIONS_PER_CALL = "MaxSessionsPerCall"
    MAX_CONCURRENT_SESSIONS = "MaxConcurrentSessions"
    AGENT_ERROR = "AgentError"
    INVALID_SPEC = "InvalidSpec"


FAILURES = frozenset(
    {
        EndReason.POD_LOST,
        EndReason.START_DEADLINE,
        EndReason.START_TIMEOUT,
        EndReason.NO_CAPACITY,
        EndReason.MAX_SESSIONS_PER_CALL,
        EndReason.MAX_CONCURRENT_SESSIONS,
        EndReason.AGENT_ERROR,
        EndReason.INVALID_SPEC,
    }
)
"""Reasons that end in Failed; all others end in Closed."""


class WaitReason(StrEnum):
    """Reason of the condition Scheduled while it is False."""

    NO_FREE_SLOT = "NoFreeSlot"
    PODS_NOT_STARTING = "PodsNotStarting"
    RUNTIME_NOT_FOUND = "RuntimeNotFound"
    RUNTIME_DELETING = "RuntimeDeleting"
    POD_NOT_AVAILABLE = "PodNotAvailable"
    RETURNED = "Returned"
    TAKEN_BACK = "TakenBack"
    POD_LOST = "PodLost"


UNDECIDED = frozenset({WaitReason.RUNTIME_NOT_FOUND, WaitReason.RUNTIME_DELETING})
"""There is no AgentRuntime that would take it, so nobody has held it to a limit yet."""

MOVED = frozenset({WaitReason.RETURNED, WaitReason.TAKEN_BACK, WaitReason.POD_LOST})
"""The session has been bound before and is on its way to another pod."""
