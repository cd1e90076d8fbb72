"""The operator's Prometheus metrics. No label ever holds a session's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from prometheus_client.metrics_core import Metric

    from greenroom_core.kube.errors import Refused
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.planning.figures import FleetFigures
    from greenroom_operator.planning.values import RuntimeKey

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


_OF_FLEETS = {
    "sessions": "Sessions that hold a slot.",
    "waiting_sessions": "Sessions that have no pod.",
    "oldest_wait_seconds": "How long the longest waiting of them has waited.",
    "slots": "Slots of the pods that are there.",
    "free_slots": "Slots that the next sessions may take.",
    "desired_pods": "Pods of the newest revision that are to be there.",
    "pods": "Pods that are there and not leaving.",
    "ready_pods": "Those of them that are ready.",
}


FLEET_SERIES = tuple(f"greenroom_fleet_{name}" for name in _OF_FLEETS)


class FleetSeries(Collector):
    """`greenroom_fleet_…{namespace,runtime}`: one series an AgentRuntime, for as long as it is there and `show` says
    it. Only a leader knows them: a standby shows none, so that sums over replicas are right."""

    def __init__(self) -> None:
        self._figures: Mapping[RuntimeKey, FleetFigures] = {}

    def show(self, figures: Mapping[RuntimeKey, FleetFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for series, (field, text) in zip(FLEET_SERIES, _OF_FLEETS.items(), strict=True):
            family = GaugeMetricFamily(series, text, labels=["namespace", "runtime"])
            for key, figures in self._figures.items():
                family.add_metric(list(key), getattr(figures, field))
            yield family


class OperatorMetrics:
    """Seconds throughout; gauges are set when /metrics is asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of = self.registry
        self.sessions = Gauge("greenroom_sessions", "Sessions by phase.", ["phase"], registry=of)
        self.waiting = Gauge("greenroom_sessions_waiting", "Sessions in the queue.", registry=of)
        self.fleets = FleetSeries()
        of.register(self.fleets)
        self.leading = Gauge("greenroom_operator_leading", "1 while this replica leads.", registry=of)
        self.epoch = Gauge("greenroom_operator_epoch", "The Lease's transitions at the last take-over.", registry=of)
        self.feed_silence = Gauge(
            "greenroom_feed_silence_seconds", "Since the server last spoke on a feed.", ["feed"], registry=of
        )
        self._cycles = Histogram("greenroom_cycle_seconds", "One planning cycle.", buckets=_FAST, registry=of)
        self._actions = Counter("greenroom_planned_actions", "Actions planned.", registry=of)
        self._writes = Histogram(
            "greenroom_write_seconds",
            "From planned to answered, by purpose.",
            ["purpose"],
            buckets=_FAST,
            registry=of,
        )
        self._refusals = Counter(
            "greenroom_writes_refused", "Writes refused, by purpose and code.", ["purpose", "code"], registry=of
        )
        self._requests = Counter(
            "greenroom_operator_api_requests",
            "Requests to the API server; code 0 means no answer.",
            ["verb", "resource", "code"],
            registry=of,
        )
        self._wait = Histogram(
            "greenroom_bind_wait_seconds",
            "From creation (whole seconds) to bound.",
            buckets=(0.5, 1, 2, 5, 10, 30, 60, 120, 300),
            registry=of,
        )

    def cycle(self, seconds: float, actions: int) -> None:
        self._cycles.observe(seconds)
        self._actions.inc(actions)

    def wrote(self, purpose: str, seconds: float) -> None:
        self._writes.labels(purpose).observe(seconds)

    def refused(self, purpose: str, error: Refused) -> None:
        self._refusals.labels(purpose, str(error.status)).inc()

    def answered(self, verb: str, resource: str, status: int, seconds: float) -> None:
        self._requests.labels(verb, resource, str(status)).inc()

    def bound(self, now: datetime, session: AgentSession) -> None:
        created = session.metadata.creation_timestamp
        if created is not None:
            self._wait.observe((now - created).total_seconds())
