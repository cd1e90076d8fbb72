"""Renders the two CustomResourceDefinitions from the model into `crds/`, and the chart's share of the model.

`python -m greenroom_core.model.crds` writes them, `--check` says whether the files are what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from greenroom_core.model import chart, names
from greenroom_core.model.runtime import RuntimeSpec, RuntimeStatus
from greenroom_core.model.schema import Schema, render
from greenroom_core.model.session import SessionSpec, SessionStatus

CRD_FOLDER = Path(__file__).resolve().parents[3] / "crds"

_IMMUTABLE = {
    "rule": "self == oldSelf",
    "message": "spec cannot be changed: create another AgentSession",
}
_ONE_SIZE = {
    "rule": "has(self.replicas) != has(self.autoscaling)",
    "message": "set exactly one of spec.replicas and spec.autoscaling; minPods and maxPods size what is autoscaled",
}
_SIZES_IN_ORDER = {
    "rule": "!has(self.autoscaling) || self.autoscaling.minPods <= self.autoscaling.maxPods",
    "message": "spec.autoscaling.minPods is larger than maxPods",
}


def _column(name: str, path: str, type_: str = "string", priority: int = 0) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": type_, "jsonPath": path}
    return column | ({"priority": priority} if priority else {})


def _without_defaults(schema: Any) -> Any:
    """Status fields are written by their writers alone; the server fills in nothing but the first phase."""
    if isinstance(schema, list):
        return [_without_defaults(item) for item in schema]
    if isinstance(schema, dict):
        return {key: _without_defaults(value) for key, value in schema.items() if key != "default"}
    return schema


def session_crd() -> dict[str, Any]:
    """The CRD of AgentSession."""
    spec = render(SessionSpec) | {"x-kubernetes-validations": [_IMMUTABLE]}
    status = _without_defaults(render(SessionStatus))
    # Without these two defaults a selector on the phase would not see a new session, and the first guarded
    # write on its status would fail because there is no status yet.
    status["default"] = {"phase": "Pending"}
    status["properties"]["phase"]["default"] = "Pending"
    return _crd(
        kind="AgentSession",
        plural="agentsessions",
        short="ags",
        description="One AI agent on one call.",
        schema={"spec": spec, "status": status},
        subresources={"status": {}},
        selectable=(".status.podName", ".status.phase", ".spec.callId", ".spec.runtime"),
        columns=[
            _column("Call", ".spec.callId"),
            _column("Runtime", ".spec.runtime", priority=1),
            _column("Phase", ".status.phase"),
            _column("Reason", ".status.reason"),
            _column("Pod", ".status.podName"),
            _column("Revision", ".status.revision", priority=1),
            _column("Attempt", ".status.attempt", "integer", priority=1),
            _column("Waiting", '.status.conditions[?(@.type=="Scheduled")].reason', priority=1),
            _column("Started", ".status.startedAt", "date"),
            _column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def runtime_crd() -> dict[str, Any]:
    """The CRD of AgentRuntime."""
    return _crd(
        kind="AgentRuntime",
        plural="agentruntimes",
        short="agrt",
        description="A fleet of warm pods that agent sessions run in.",
        schema={
            "spec": render(RuntimeSpec) | {"x-kubernetes-validations": [_ONE_SIZE, _SIZES_IN_ORDER]},
            "status": _without_defaults(render(RuntimeStatus)),
        },
        subresources={
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.pods",
                "labelSelectorPath": ".status.selector",
            },
        },
        selectable=(),
        columns=[
            _column("Pods", ".status.pods", "integer"),
            _column("Ready", ".status.readyPods", "integer"),
            _column("Slots", ".status.slots", "integer"),
            _column("Free", ".status.freeSlots", "integer"),
            _column("Sessions", ".status.sessions", "integer"),
            _column("Pending", ".status.pending", "integer"),
            _column("Available", '.status.conditions[?(@.type=="Available")].status'),
            _column("State", '.status.conditions[?(@.type=="Progressing")].reason'),
            _column("Leaving", ".status.leavingPods", "integer", priority=1),
            _column("To-Go", ".status.leavingSessions", "integer", priority=1),
            _column("Revision", ".status.revision", priority=1),
            _column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def _crd(
    *,
    kind: str,
    plural: str,
    short: str,
    description: str,
    schema: dict[str, Schema],
    subresources: dict[str, Any],
    selectable: tuple[str, ...],
    columns: list[dict[str, Any]],
) -> dict[str, Any]:
    version: dict[str, Any] = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "description": description,
                "required": ["spec"],
                "properties": schema,
            }
        },
        "subresources": subresources,
        "additionalPrinterColumns": columns,
    }
    if selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["agents"],
            },
            "versions": [version],
        },
    }


def rendered() -> dict[Path, str]:
    """Each generated file with the text that belongs in it."""
    import yaml

    # `helm show crds` puts the files one after the other; without the mark the last one would swallow the others.
    head = "---\n# Rendered from greenroom_core.model by `make generate`; edit the types, not this file.\n"
    texts = {}
    for crd in (session_crd(), runtime_crd()):
        path = CRD_FOLDER / f"{crd['metadata']['name']}.yaml"
        written = yaml.safe_load(path.read_text()) if path.exists() else {}
        texts[path.name] = head + yaml.safe_dump(revised(crd, written), sort_keys=False, width=110)
    return {CRD_FOLDER / name: text for name, text in texts.items()} | chart.rendered(texts)


def revised(crd: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """`crd` with its revision: that of the one `written` last, or one more where they differ."""
    annotations = written.get("metadata", {}).get("annotations", {})
    number = int(annotations.get(names.CRD_REVISION, 0))

    def numbered(revision: int) -> dict[str, Any]:
        return {**crd, "metadata": {**crd["metadata"], "annotations": {names.CRD_REVISION: str(revision)}}}

    return numbered(number) if number and numbered(number) == written else numbered(number + 1)


def stale() -> list[Path]:
    """The generated files that differ from what would be written."""
    return [path for path, text in rendered().items() if not path.exists() or path.read_text() != text]


def main() -> None:
    if "--check" in sys.argv[1:]:
        if outdated := stale():
            sys.exit(f"not as rendered: {', '.join(map(str, outdated))}: run `make generate` and commit")
        return
    for path, text in rendered().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
