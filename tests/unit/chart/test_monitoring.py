"""Alerts and dashboard ask for series that the programs really have, in queries that Prometheus understands."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import promql_parser as promql
import pytest
import yaml

from greenroom_core.model import names
from greenroom_core.model.reasons import EndReason

from .exposition import expositions
from .rendering import CHART, NAMESPACE, Body, Helm, of_kind, pod_templates

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERYTHING: Body = {
    "monitoring": {part: {"enabled": True} for part in ("monitors", "alerts", "dashboard")},
    "fullnameOverride": "g",
}
SERIES = expositions()
OF_TARGETS = {"job", "namespace", "pod"}
"""Labels that Prometheus puts on every series."""
JOBS = {f"{NAMESPACE}/g-operator": "operator", "g-api": "api", f"{NAMESPACE}/g-runtime": "runtime"}
PAGE = (CHART.parents[1] / "docs" / "alerts.md").read_text()


def alerts(helm: Helm) -> list[Body]:
    rule = of_kind(helm.render(EVERYTHING), "PrometheusRule")["g"]
    return [alert for group in rule["spec"]["groups"] for alert in group["rules"]]


def queries_of_the_dashboard() -> Iterator[tuple[str, str]]:
    board = json.loads((CHART / "files" / "dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            # Grafana puts these in; any of their kind will do to read the query.
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m").replace("$namespace", "voice")


def parts(expression: str) -> list[Any]:
    """All nodes of a query. ValueError where Prometheus would refuse it."""
    found: list[Any] = []

    def descend(node: Any) -> None:
        found.append(node)
        for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
            inner = getattr(node, name, None)
            if inner is not None:
                descend(inner)
        for argument in getattr(node, "args", ()):
            descend(argument)

    descend(promql.parse(expression))
    return found


def selectors(expression: str) -> list[Any]:
    return [node for node in parts(expression) if isinstance(node, promql.VectorSelector)]


def grouped_by(expression: str) -> set[str]:
    nodes = [node for node in parts(expression) if isinstance(node, promql.AggregateExpr)]
    return {label for node in nodes if node.modifier is not None for label in node.modifier.labels}


def asked(selector: Any) -> dict[str, str]:
    return {matcher.name: matcher.value for matcher in selector.matchers.matchers}


def assert_there(selector: Any, programs: set[str], grouping: set[str]) -> None:
    having = [program for program in programs if selector.name in SERIES[program]]
    assert having, f"{selector.name} is a series of none of {sorted(programs)}"
    labels = SERIES[having[0]][selector.name] | OF_TARGETS
    assert asked(selector).keys() <= labels, selector.name
    assert grouping <= labels, selector.name


def test_a_query_that_is_none_and_a_series_that_is_not_there_are_noticed() -> None:
    with pytest.raises(ValueError, match="unexpected"):
        parts("sum by phase greenroom_sessions)")
    [missing] = selectors("rate(greenroom_sessions_lost_total[5m])")
    with pytest.raises(AssertionError, match="greenroom_sessions_lost_total is a series of none"):
        assert_there(missing, {"operator"}, set())
    [selector] = selectors("sum by (color) (greenroom_sessions)")
    with pytest.raises(AssertionError):
        assert_there(selector, {"operator"}, {"color"})


def test_each_alert_is_about_series_of_the_program_that_it_names(helm: Helm) -> None:
    looked_at = set()
    for alert in alerts(helm):
        for selector in selectors(alert["expr"]):
            where = asked(selector)
            assert_there(selector, {JOBS[where["job"]]}, grouped_by(alert["expr"]))
            assert where.get("namespace", NAMESPACE) == NAMESPACE
            looked_at.add(selector.name)
    assert {"greenroom_operator_leading", "greenroom_runtime_ends_total", "greenroom_api_requests_total"} <= looked_at


def test_the_jobs_of_the_alerts_are_those_of_the_monitors(helm: Helm) -> None:
    bodies = helm.render(EVERYTHING)
    # The Prometheus Operator calls a PodMonitor's job namespace/name, and a ServiceMonitor's by the Service.
    monitored = {f"{NAMESPACE}/{name}" for name in of_kind(bodies, "PodMonitor")}
    [service] = of_kind(bodies, "Service").values()
    [monitor] = of_kind(bodies, "ServiceMonitor").values()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitored | {service["metadata"]["name"]} == JOBS.keys()


def test_the_monitors_ask_ports_that_the_pods_have(helm: Helm) -> None:
    bodies = helm.render(EVERYTHING)
    pods = of_kind(bodies, "PodMonitor")
    templates = dict(pod_templates(bodies))
    operator = templates["Deployment g-operator"]
    assert pods["g-operator"]["spec"]["selector"]["matchLabels"].items() <= operator["metadata"]["labels"].items()
    [port] = operator["spec"]["containers"][0]["ports"]
    [endpoint] = pods["g-operator"]["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == port["name"]
    assert endpoint["honorLabels"] is True, "or the fleets' own label namespace is renamed"
    runtime = pods["g-runtime"]["spec"]
    assert runtime["selector"]["matchExpressions"] == [{"key": names.RUNTIME_LABEL, "operator": "Exists"}]
    assert [endpoint["port"] for endpoint in runtime["podMetricsEndpoints"]] == [names.PORT_NAME]
    [service] = of_kind(bodies, "Service").values()
    [endpoint] = of_kind(bodies, "ServiceMonitor")["g-api"]["spec"]["endpoints"]
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]


def test_the_reasons_that_an_alert_counts_are_reasons(helm: Helm) -> None:
    [alert] = [alert for alert in alerts(helm) if alert["alert"] == "GreenroomSessionsFail"]
    [counted] = {asked(one)["reason"] for one in selectors(alert["expr"]) if "reason" in asked(one)}
    assert set(counted.split("|")) <= {reason.value for reason in EndReason}


def test_what_an_alert_tells_is_in_what_it_finds(helm: Helm) -> None:
    for alert in alerts(helm):
        told = set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["description"]))
        kept = grouped_by(alert["expr"])
        aggregated = any(isinstance(node, promql.AggregateExpr) for node in parts(alert["expr"]))
        for selector in selectors(alert["expr"]):
            series = next(program[selector.name] for program in SERIES.values() if selector.name in program)
            assert told <= (kept if aggregated else series | OF_TARGETS), alert["alert"]


def test_each_alert_has_its_lines_in_the_documentation(helm: Helm) -> None:
    chapters = re.findall(r"^## (\w+)\n\n(\S+)", PAGE, re.MULTILINE)
    made = alerts(helm)
    assert [title for title, _ in chapters] == list(dict.fromkeys(alert["alert"] for alert in made))
    for alert in made:
        assert alert["annotations"]["runbook"] == f"docs/alerts.md#{alert['alert'].lower()}"
        assert alert["annotations"].keys() == {"summary", "description", "runbook"}
        assert alert["labels"]["severity"] in ("warning", "critical")


def test_each_panel_of_the_dashboard_shows_series_that_there_are() -> None:
    shown = 0
    for _, query in queries_of_the_dashboard():
        for selector in selectors(query):
            assert_there(selector, set(SERIES), grouped_by(query))
            assert asked(selector)["namespace"] == "voice"
            shown += 1
    assert shown > 30


def test_the_dashboard_arrives_whole(helm: Helm) -> None:
    config = of_kind(helm.render(EVERYTHING), "ConfigMap")["g-dashboard"]
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    board = json.loads(config["data"]["greenroom.json"])
    assert board == json.loads((CHART / "files" / "dashboard.json").read_text())
    identifiers = [panel["id"] for panel in board["panels"]]
    assert len(set(identifiers)) == len(identifiers)


def test_a_release_without_an_operator_has_no_alert_about_one(helm: Helm) -> None:
    for part in ("operator", "api"):
        rule = of_kind(helm.render({**EVERYTHING, part: {"enabled": False}}), "PrometheusRule")["g"]
        expected = {"greenroom-operator", "greenroom-api", "greenroom-runtime"} - {f"greenroom-{part}"}
        assert {group["name"] for group in rule["spec"]["groups"]} == expected


def test_without_being_asked_for_none_of_it_is_there(helm: Helm) -> None:
    kinds = {body["kind"] for body in helm.render({})}
    assert not kinds & {"ServiceMonitor", "PodMonitor", "PrometheusRule", "ConfigMap"}


def test_the_file_of_alerts_has_no_name_of_another_release() -> None:
    text = (CHART / "files" / "alerts.yaml").read_text()
    jobs = {
        asked(selector)["job"]
        for group in yaml.safe_load(text)["groups"]
        for alert in group["rules"]
        for selector in selectors(alert["expr"])
    }
    assert all("__NAME__" in job for job in jobs)
