"""Values that cannot be meant are refused before anything reaches a cluster, and the field is named."""

from __future__ import annotations

import re
from functools import reduce
from typing import Any

import pytest

from .rendering import Body, Helm, Refused

BAD: tuple[tuple[str, Any], ...] = (
    ("scope", "everything"),
    ("fullnameOverride", "Green Room"),
    ("image.repository", ""),
    ("image.tag", "no spaces"),
    ("image.digest", "sha256:short"),
    ("image.pullPolicy", "Sometimes"),
    ("operator.replicas", 0),
    ("operator.replicas", "2"),
    ("operator.leaseSeconds", 1),
    ("operator.watchNodes", "yes"),
    ("operator.logLevel", "LOUD"),
    ("operator.resources.requests.cpu", "much"),
    ("api.replicas", 1.5),
    ("api.service.port", 70000),
    ("api.logFormat", "xml"),
    ("crdCheck", "yes"),
    ("operator.podLabels.app", "two words"),
    ("operator.priorityClassName", "High"),
    ("api.autoscaling.cpuPercent", 0),
    ("api.ingress.paths.0", "calls"),
    ("api.ingress.hosts.0", "https://a.example.com"),
    ("api.ingress.tls.0.secretName", "A Secret"),
    ("networkPolicies.apiServerPorts", []),
    ("networkPolicies.apiFrom.0", "everybody"),
    ("monitoring.monitors.interval", "often"),
    ("demo.redis.url", "http://store"),
    ("demo.enabled", "yes"),
    ("demo.name", "Demo"),
    ("demo.sessionsPerPod", 0),
    ("demo.drainTimeoutSeconds", -1),
    ("demo.placement", "Random"),
    ("demo.limits.maxSessionsPerCall", 0),
    ("demo.command", []),
)


@pytest.mark.parametrize(("field", "value"), BAD, ids=[f"{field}={value!r}" for field, value in BAD])
def test_a_bad_value_is_refused_with_its_field(helm: Helm, field: str, value: Any) -> None:
    with pytest.raises(Refused, match=rf"at '/{field.replace('.', '/')}'"):
        helm.render(nested(field, value))


@pytest.mark.parametrize(
    "field", ["replicas", "operator.replica", "demo.limits.maxSessions", "api.service.type", "monitoring.grafana"]
)
def test_a_value_that_nobody_reads_is_refused_by_name(helm: Helm, field: str) -> None:
    with pytest.raises(Refused, match=re.escape(f"'{field.rpartition('.')[2]}' not allowed")):
        helm.render(nested(field, 1))


def test_a_label_that_the_chart_sets_itself_is_refused_by_name(helm: Helm) -> None:
    with pytest.raises(Refused, match=r"invalid propertyName 'helm\.sh/chart'"):
        helm.render({"labels": {"helm.sh/chart": "mine"}})


def test_a_value_taken_away_is_missed_by_name(helm: Helm) -> None:
    with pytest.raises(Refused, match=r"at '/image'.*'repository'"):
        helm.render({"image": {"repository": None}})


def nested(field: str, value: Any) -> Body:
    """`a.b` as `{"a": {"b": value}}`, `a.0` as `{"a": [value]}`."""
    body: Body = reduce(lambda inner, key: [inner] if key == "0" else {key: inner}, reversed(field.split(".")), value)
    return body
