"""The pod's Prometheus metrics. No label ever holds a session's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from greenroom.observability import process

if TYPE_CHECKING:
    from collections.abc import Callable

_WRITE_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)


class RuntimeFigures:
    """One pod's figures in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._sessions = Gauge(
            "greenroom_runtime_sessions", "Sessions that hold a slot of this pod", registry=self.registry
        )
        self._slots = Gauge("greenroom_runtime_slots", "Sessions this pod takes at once", registry=self.registry)
        self._starts = Counter("greenroom_runtime_starts", "Sessions taken up", registry=self.registry)
        self._ends = Counter("greenroom_runtime_ends", "Sessions ended, by reason", ["reason"], registry=self.registry)
        self._returned = Counter("greenroom_runtime_returned", "Sessions given back unstarted", registry=self.registry)
        self._requests = Histogram(
            "greenroom_runtime_api_request_seconds",
            "Requests to the API server, by verb and status (0: no answer); PATCH is a status write",
            ["verb", "status"],
            buckets=_WRITE_BUCKETS,
            registry=self.registry,
        )
        self._silence = Gauge(
            "greenroom_runtime_feed_silence_seconds", "Since the API server last said anything", registry=self.registry
        )
        self._ready = Gauge("greenroom_runtime_ready", "1 while the pod takes sessions", registry=self.registry)
        for figure in process.ALL:
            self.registry.register(figure)

    def watch(
        self,
        sessions: Callable[[], float],
        slots: Callable[[], float],
        silence_seconds: Callable[[], float],
        ready: Callable[[], float],
    ) -> None:
        """What is read off the pod at the moment of a scrape."""
        self._sessions.set_function(sessions)
        self._slots.set_function(slots)
        self._silence.set_function(silence_seconds)
        self._ready.set_function(ready)

    def started(self) -> None:
        self._starts.inc()

    def ended(self, reason: str) -> None:
        self._ends.labels(reason).inc()

    def returned(self) -> None:
        self._returned.inc()

    def answered(self, verb: str, plural: str, status: int, seconds: float) -> None:
        """A `KubeClient`'s `on_answer`; this program asks for one kind only."""
        self._requests.labels(verb, str(status)).observe(seconds)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)
