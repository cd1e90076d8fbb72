"""What a registry tells of a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """`started_at` and `metrics_updated_at` are seconds since the epoch; `metrics` are the figures by name."""

    session_id: str
    call_id: str
    node_id: str
    started_at: float
    metrics_updated_at: float
    metrics: dict[str, Any] = field(default_factory=dict)
