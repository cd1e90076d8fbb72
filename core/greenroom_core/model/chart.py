"""Renders what the Helm chart takes from the model: copies of the CRDs, and the rules of its Roles.

The chart's templates read `files/roles.yaml`: a verb is written down in `greenroom_core.model.roles`, nowhere else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from greenroom_core.model import roles

if TYPE_CHECKING:
    from collections.abc import Mapping

CHART_FOLDER = Path(__file__).resolve().parents[3] / "charts" / "greenroom"

ROLES: Mapping[str, tuple[roles.Rule, ...]] = {
    "operator": roles.OPERATOR,
    "operator-lease": roles.OPERATOR_LEASE,
    "api": roles.API,
    "runtime": roles.RUNTIME,
}
"""The chart's Roles by the last part of their names."""

CLUSTER_ROLES: Mapping[str, tuple[roles.Rule, ...]] = {
    "operator-nodes": roles.OPERATOR_NODES,
    "api-reviews": roles.API_REVIEWS,
    "user-view": roles.USER_VIEW,
    "user-edit": roles.USER_EDIT,
}
"""Its ClusterRoles, likewise."""

_HEAD = "# Rendered from greenroom_core.model.roles by `make generate`; edit the list there, not this file.\n"


def rendered(crds: Mapping[str, str]) -> dict[Path, str]:
    """Each generated file of the chart with the text that belongs in it; `crds` are texts by file name."""
    import yaml

    rules = {name: list(rules) for name, rules in {**ROLES, **CLUSTER_ROLES}.items()}
    text = _HEAD + yaml.safe_dump(rules, sort_keys=False, width=110)
    return {CHART_FOLDER / "crds" / name: crd for name, crd in crds.items()} | {
        CHART_FOLDER / "files" / "roles.yaml": text
    }
