"""Renders the table of rights: each account of the chart, what it may do, where, and what for.

Pure. A right without a purpose cannot be rendered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom_core.model import roles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HEAD = """# Who may do what in the API server

Rendered from `greenroom_core.model.roles` by `make generate`, as the chart's Roles are. By the API server's audit log
`tests/integration/test_rights.py` holds each program to it: nothing is denied, and every right is used. Two admission
policies narrow further what a runtime pod writes ([security.md](security.md)). Nobody may read Secrets.

In the release's namespace, unless it says otherwise; with `scope=cluster` the operator's rights hold in every namespace
([tenants.md](tenants.md)).

"""
_TABLE = "| account | where | objects | verbs | what for |\n|---|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Grant:
    """`what_for` by resource."""

    account: str
    where: str
    rules: Sequence[roles.Rule]
    what_for: Mapping[str, str]


GRANTS = (
    Grant(
        "operator",
        "",
        roles.OPERATOR,
        {
            "agentsessions": "to place them; its finalizer; deletion when their time is over",
            "agentsessions/status": "binds, and ends of those that no pod holds",
            "agentruntimes": "the fleets; its finalizer",
            "agentruntimes/status": "their figures and conditions",
            "pods": "makes and deletes those of the fleets; the label of busy ones",
            "events": "what people should hear of",
        },
    ),
    Grant(
        "operator",
        "its own namespace",
        roles.OPERATOR_LEASE,
        {"leases": "which replica leads; standbys watch it"},
    ),
    Grant(
        "operator",
        "the cluster; `operator.watchNodes=false` leaves it out",
        roles.OPERATOR_NODES,
        {"nodes": "which are cordoned"},
    ),
    Grant(
        "API",
        "",
        roles.API,
        {
            "agentsessions": "starts, views, close requests; withdrawal of what got no slot in time",
            "agentruntimes": "defaults and limits",
        },
    ),
    Grant(
        "API",
        "the cluster; with `api.auth.mode=kubernetes` only",
        roles.API_REVIEWS,
        {"tokenreviews": "who a caller is", "subjectaccessreviews": "what a caller may"},
    ),
    Grant(
        "runtime pods",
        "",
        roles.RUNTIME,
        {
            "agentsessions": "what is bound to them; sessions that their own code starts, each for itself alone",
            "agentsessions/status": "run state and figures of what they hold; own starts taken back",
        },
    ),
    Grant(
        "uninstall",
        "while helm uninstalls",
        roles.UNINSTALL,
        dict.fromkeys(("agentsessions", "agentruntimes"), "sees everything out; finalizers of what stays"),
    ),
    Grant(
        "check", "while `helm test` runs", roles.CHECK, {"agentsessions": "the REST API asks whether it may start one"}
    ),
    Grant(
        "people with `view`",
        "wherever they have it",
        roles.USER_VIEW,
        {
            "agentsessions": "looking",
            "agentruntimes": "looking",
            "agentsessions/metrics": "fresh figures, which the REST API alone asks about",
        },
    ),
    Grant(
        "people with `edit`",
        "wherever they have it",
        roles.USER_EDIT,
        {
            "agentsessions": "starting and closing; never status",
            "agentruntimes": "fleets; never status",
            "agentruntimes/scale": "`kubectl scale`",
        },
    ),
)


def page() -> str:
    """The page's text. Raises KeyError for a right that nobody has said a purpose of."""
    return _HEAD + _TABLE + "".join(row for grant in GRANTS for row in _rows(grant))


def _rows(grant: Grant) -> Iterator[str]:
    for rule in grant.rules:
        for resource in rule["resources"]:
            cells = (grant.account, grant.where, resource, ", ".join(rule["verbs"]), grant.what_for[resource])
            yield f"| {' | '.join(cells)} |\n"
