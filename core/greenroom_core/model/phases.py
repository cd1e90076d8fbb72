"""A session's phases, and which may follow which."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a session is in its life. `RUNNING` means that the agent has been built and is joining."""

    PENDING = "Pending"
    SCHEDULED = "Scheduled"
    RUNNING = "Running"
    CLOSING = "Closing"
    CLOSED = "Closed"
    FAILED = "Failed"

    @property
    def terminal(self) -> bool:
        """Nothing follows: the agent has left, or never was."""
        return self in TERMINAL


TERMINAL = frozenset({Phase.CLOSED, Phase.FAILED})

FOLLOWING: dict[Phase, frozenset[Phase]] = {
    Phase.PENDING: frozenset({Phase.SCHEDULED, Phase.CLOSED, Phase.FAILED}),
    Phase.SCHEDULED: frozenset({Phase.PENDING, Phase.RUNNING, Phase.CLOSING, Phase.CLOSED, Phase.FAILED}),
    Phase.RUNNING: frozenset({Phase.PENDING, Phase.CLOSING, Phase.CLOSED, Phase.FAILED}),
    Phase.CLOSING: frozenset({Phase.PENDING, Phase.CLOSED, Phase.FAILED}),
    Phase.CLOSED: frozenset(),
    Phase.FAILED: frozenset(),
}
"""Lawful steps; back to Pending from Scheduled (given or taken back), and with OnPodLoss from the rest."""
