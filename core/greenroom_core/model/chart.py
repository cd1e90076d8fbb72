"""Renders what the Helm chart takes from the model: copies of the CRDs, the rules of its Roles, its admission policies;
and the pages of its values and its accounts' rights.

The chart's templates read `files/roles.yaml`: a verb is written down in `greenroom_core.model.roles`, nowhere else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenroom_core.model import admission, rbac_page, roles, values_page

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = Path(__file__).resolve().parents[3]
CHART_FOLDER = _ROOT / "charts" / "greenroom"
VALUES_PAGE = _ROOT / "docs" / "values.md"
RBAC_PAGE = _ROOT / "docs" / "rbac.md"

ROLES: Mapping[str, tuple[roles.Rule, ...]] = {
    "operator": roles.OPERATOR,
    "operator-lease": roles.OPERATOR_LEASE,
    "api": roles.API,
    "runtime": roles.RUNTIME,
    "uninstall": roles.UNINSTALL,
    "check": roles.CHECK,
}
"""The chart's Roles by the last part of their names."""

CLUSTER_ROLES: Mapping[str, tuple[roles.Rule, ...]] = {
    "operator-nodes": roles.OPERATOR_NODES,
    "api-reviews": roles.API_REVIEWS,
    "user-view": roles.USER_VIEW,
    "user-edit": roles.USER_EDIT,
}
"""Its ClusterRoles, likewise."""


def rendered(crds: Mapping[str, str]) -> dict[Path, str]:
    """Each generated file of the chart with the text that belongs in it; `crds` are texts by file name."""
    import yaml

    rules = {name: list(rules) for name, rules in {**ROLES, **CLUSTER_ROLES}.items()}
    text = yaml.safe_dump(rules, sort_keys=False, width=110)
    return {CHART_FOLDER / "crds" / name: crd for name, crd in crds.items()} | {
        CHART_FOLDER / "files" / "roles.yaml": _head("roles") + text,
        CHART_FOLDER / "files" / "admission.yaml": _head("admission") + yaml.safe_dump_all(policies(), sort_keys=False),
        RBAC_PAGE: rbac_page.page(),
        VALUES_PAGE: values_page.page(
            (CHART_FOLDER / "values.yaml").read_text(), (CHART_FOLDER / "values.schema.json").read_text()
        ),
    }


def policies() -> list[dict[str, Any]]:
    """With words in place of what only a release knows; the chart's template puts that in."""
    state = admission.run_state("__NAME__-run-state", "__NAMESPACE__", "__OPERATOR__")
    sessions = admission.own_sessions("__NAME__-own-sessions", "__NAMESPACE__")
    return [body for policy in (state, sessions) for body in (policy, admission.binding(policy))]


def _head(module: str) -> str:
    return f"# Rendered from greenroom_core.model.{module} by `make generate`; edit that, not this file.\n"
