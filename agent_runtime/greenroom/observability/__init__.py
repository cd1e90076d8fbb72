"""What an agent measures about itself: the 25 figures of :class:`AgentMetrics` and who feeds them."""

from __future__ import annotations

from greenroom.observability.collector import MetricsCollector
from greenroom.observability.metrics import AgentMetrics, Average, Counter

__all__ = ["AgentMetrics", "Average", "Counter", "MetricsCollector"]
