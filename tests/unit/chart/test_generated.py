"""What the chart takes from the model is in the chart as the model has it."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import yaml

from greenroom_core.model import chart, crds, rbac_page, roles

from .rendering import CHART, Helm

if TYPE_CHECKING:
    import pytest


def test_the_files_in_the_repository_are_what_would_be_written() -> None:
    assert crds.stale() == []


def test_a_verb_more_in_the_list_of_roles_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    more = ({**roles.API[0], "verbs": [*roles.API[0]["verbs"], "update"]}, *roles.API[1:])
    monkeypatch.setattr(chart, "ROLES", {**chart.ROLES, "api": more})
    assert crds.stale() == [CHART / "files" / "roles.yaml"]


def test_the_page_of_rights_leaves_no_account_of_the_chart_out() -> None:
    """Another Role of the chart would be another row."""
    known = [grant.rules for grant in rbac_page.GRANTS]
    assert all(rules in known for rules in (*chart.ROLES.values(), *chart.CLUSTER_ROLES.values()))
    for rules in known:
        for rule in rules:
            assert f"| {', '.join(rule['verbs'])} |" in rbac_page.page()


def test_the_chart_holds_the_very_crds() -> None:
    ours = {path.name: path.read_text() for path in crds.CRD_FOLDER.glob("*.yaml")}
    assert len(ours) == 2
    assert {path.name: path.read_text() for path in (CHART / "crds").iterdir()} == ours


def test_helm_shows_the_crds_as_two_documents_that_kubectl_can_apply(helm: Helm) -> None:
    shown = list(yaml.safe_load_all(helm.run("show", "crds", str(CHART))))
    assert sorted(body["metadata"]["name"] for body in shown if body) == [
        "agentruntimes.greenroom.dev",
        "agentsessions.greenroom.dev",
    ]


def test_the_chart_is_of_the_project_s_version() -> None:
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())["project"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == project["version"]
