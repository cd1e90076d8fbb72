"""Prometheus figures of the API process. A label is never a session, a call or a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from greenroom_core.clock import Clock

_START_BUCKETS_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
_KUBE_BUCKETS_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 15.0)
_START_ROUTE = "/calls/{call_id}/sessions"

GAUGES = {
    "sessions": "Sessions of this process whose agents have not left.",
    "starts": "Starts that wait for their outcome.",
    "sessions_silence_seconds": "Since the API server last said anything on the feed of sessions.",
    "runtimes_silence_seconds": "Since the API server last said anything on the feed of runtimes.",
}


class Instruments:
    """One process's counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "greenroom_api_requests", "HTTP requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._starts = Histogram(
            "greenroom_api_start_seconds",
            "From a start's request to its answer.",
            ("status",),
            buckets=_START_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self._kube = Histogram(
            "greenroom_api_kube_request_seconds",
            "Requests to the Kubernetes API server; status 0: no answer.",
            ("verb", "resource", "status"),
            buckets=_KUBE_BUCKETS_SECONDS,
            registry=self.registry,
        )

    def observe_gauges(self, read: Callable[[], Mapping[str, float]]) -> None:
        """`read` is asked at each scrape; its keys are those of GAUGES."""
        self.registry.register(_Gauges(read))

    def kube_answered(self, verb: str, plural: str, status: int, seconds: float) -> None:
        self._kube.labels(verb, plural, str(status)).observe(seconds)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        if method == "POST" and route == _START_ROUTE:
            self._starts.labels(str(status)).observe(seconds)

    def exposition(self) -> tuple[bytes, str]:
        """(text, content type)."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class _Gauges(Collector):
    def __init__(self, read: Callable[[], Mapping[str, float]]) -> None:
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, value in self._read().items():
            yield GaugeMetricFamily(f"greenroom_api_{name}", GAUGES[name], value)


class Counted:
    """ASGI middleware: counts each answer under its route's template."""

    def __init__(self, app: ASGIApp, instruments: Instruments, clock: Clock) -> None:
        self._app = app
        self._instruments = instruments
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = self._clock.boot()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = self._clock.boot() - begun
                self._instruments.answered(scope["method"], _template(scope), message["status"], seconds)
            await send(message)

        await self._app(scope, receive, counted)


def _template(scope: Mapping[str, Any]) -> str:
    """`/calls/{call_id}/sessions`; a path that no route knows is never a label."""
    return str(getattr(scope.get("route"), "path", "none"))
