"""What a registry tells of a session."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from greenroom.observability.metrics import AgentMetrics
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session as it was when this was read. Times are seconds since the epoch.

    `started_at` is when the agent was built, `created_at` until then; `metrics_updated_at` equals it before the first
    report. `phase` is Scheduled while the agent is being built. `reason`, `message` and `ended_at` speak of the end.
    `answer` is what the agent's edge answered to an offer, "" before that and after the end.
    """

    session_id: str
    call_id: str
    node_id: str
    started_at: float
    metrics_updated_at: float
    metrics: AgentMetrics = field(default_factory=AgentMetrics)
    call_type: str = "default"
    phase: Phase = Phase.RUNNING
    created_at: float | None = None
    reason: EndReason | None = None
    message: str = ""
    ended_at: float | None = None
    answer: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values by field name; `metrics` in the form that keeps an average's weight."""
        values = {name: getattr(self, name) for name in _FIELDS}
        values["metrics"] = self.metrics.weighted()
        values["phase"] = self.phase.value
        values["reason"] = self.reason and self.reason.value
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SessionInfo:
        """The inverse of :meth:`to_dict`. Unknown keys are ignored.

        TypeError: a required one is missing. ValueError: `phase` or `reason` is not one of ours.
        """
        known = {name: values[name] for name in _FIELDS if name in values}
        if "metrics" in known:
            known["metrics"] = AgentMetrics.from_dict(known["metrics"])
        if "phase" in known:
            known["phase"] = Phase(known["phase"])
        if known.get("reason") is not None:
            known["reason"] = EndReason(known["reason"])
        return cls(**known)


_FIELDS = tuple(f.name for f in fields(SessionInfo))
