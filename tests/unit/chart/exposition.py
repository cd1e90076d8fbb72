"""What a scrape of each program really gives: every series with its labels' names, from their own registries."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from greenroom.observability import process
from greenroom.runtime.figures import RuntimeFigures
from greenroom_api.instruments import GAUGES, Instruments
from greenroom_core.clock import SystemClock
from greenroom_core.kube.errors import Denied
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import AgentSession
from greenroom_operator.metrics import OperatorMetrics
from greenroom_operator.planning.figures import FleetFigures
from greenroom_operator.planning.values import RuntimeKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry

Series = dict[str, frozenset[str]]


def expositions() -> Mapping[str, Series]:
    """By the component's name: the names of its series, each with those of its labels."""
    return {"operator": _scraped(_operator()), "api": _scraped(_api()), "runtime": _scraped(_runtime())}


def _operator() -> CollectorRegistry:
    metrics = OperatorMetrics()
    metrics.cycle(0.1, 1)
    metrics.wrote("bind", 0.1)
    metrics.refused("bind", Denied(403, "Forbidden", "no"))
    metrics.answered("GET", "pods", 200, 0.1)
    metrics.sessions.labels("Running").set(1)
    metrics.feed_silence.labels("sessions").set(1)
    now = SystemClock().wall()
    body = {"metadata": {"creationTimestamp": now.isoformat()}, "spec": {"callId": "call"}}
    metrics.bound(now, msgspec.convert(body, AgentSession))
    metrics.fleets.show({RuntimeKey("voice", "default"): FleetFigures(1, 0, 0.0, 10, 9, 1, 1, 1)})
    return metrics.registry


def _api() -> CollectorRegistry:
    instruments = Instruments()
    instruments.observe_gauges(lambda: dict.fromkeys(GAUGES, 0.0))
    instruments.answered("POST", "/calls/{call_id}/sessions", 201, 0.1)
    instruments.kube_answered("GET", "agentsessions", 200, 0.1)
    return instruments.registry


def _runtime() -> CollectorRegistry:
    figures = RuntimeFigures()
    figures.started()
    figures.ended(EndReason.FINISHED)
    figures.returned()
    figures.answered("PATCH", "agentsessions", 200, 0.1)
    process.PART_ERRORS.labels("llm")
    process.CHECKPOINTS.labels("save", "failed")
    return figures.registry


def _scraped(registry: CollectorRegistry) -> Series:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found[sample.name] |= set(sample.labels)
    return {name: frozenset(labels) for name, labels in found.items()}
