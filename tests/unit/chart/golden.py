"""The chart rendered for some sets of values, in files, so that a change shows whole in a review.

`python -m tests.unit.chart.golden` writes them anew. What the model generates is left out: other tests hold it.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from .rendering import VALUE_SETS, Body, Helm, helm_or_failure

FOLDER = Path(__file__).parent / "golden"
FILES = {
    "default": "as it comes",
    "minimal": "callers by keys, nothing for the whole cluster",
    "production": "production",
    "everything": "everything set",
    "cluster": "one operator for the whole cluster",
    "tenant": "a tenant of that operator",
}
ELSEWHERE = "left out here"


def rendered(helm: Helm, name: str) -> str:
    """The text that belongs into the file of that name."""
    values = VALUE_SETS[FILES[name]]
    bodies = helm.render(values)
    for when in ("pre-delete", "test"):
        bodies += helm.hooks(values, when)
    bodies = sorted((_without_the_generated(body) for body in bodies), key=_place)
    return yaml.safe_dump_all(bodies, sort_keys=True, width=110)


def _place(body: Body) -> tuple[str, str]:
    return body["kind"], body["metadata"]["name"]


def _without_the_generated(body: Body) -> Body:
    field = {
        "Role": "rules",
        "ClusterRole": "rules",
        "ValidatingAdmissionPolicy": "spec",
        "PrometheusRule": "spec",
        "ConfigMap": "data",
        "Secret": "data",  # random, too
    }.get(body["kind"])
    return {**body, field: ELSEWHERE} if field is not None else body


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in FILES:
        (FOLDER / f"{each}.yaml").write_text(rendered(helm_or_failure(), each))
