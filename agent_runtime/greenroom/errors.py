"""What a launcher refuses, as errors that callers tell apart."""

from __future__ import annotations


class SessionLimitExceeded(Exception):
    """A limit of the launcher leaves no room for one more session."""


class MaxConcurrentSessionsExceeded(SessionLimitExceeded):
    def __init__(self, limit: int) -> None:
        super().__init__(f"Reached maximum concurrent sessions of {limit}")
        self.limit = limit


class MaxSessionsPerCallExceeded(SessionLimitExceeded):
    def __init__(self, limit: int) -> None:
        super().__init__(f"Reached maximum sessions per call of {limit}")
        self.limit = limit


class NoFreeSlot(SessionLimitExceeded):
    """In a cluster: this pod had no free slot for the session before its start deadline."""


class RegistryUnavailable(RuntimeError):
    """The registry gives no answer now, so nobody can say whether there is room; trying again later may help."""


class HeldElsewhere(PermissionError):
    """In a cluster: the session is another pod's, and a pod's own code ends none but its own pod's."""


class InvalidParameters(ValueError):
    """The parameters of a session do not fit `create_agent` and `join_call`."""


class StartTimedOut(TimeoutError):
    """`create_agent` and the warm-up together took longer than a start may."""


class StartAbandoned(RuntimeError):
    """The session was closed, or the launcher stopped, before its agent was built."""


class AgentExit(Exception):
    """The agent's code asked the whole process to exit; only its own session ends."""
