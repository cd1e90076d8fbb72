"""What the API server does to pods: defaults, an unchangeable spec, and a grace period on deletion."""

from __future__ import annotations

from tests.fakes.apiserver.answers import Cause, Object
from tests.fakes.apiserver.patches import same

_DEFAULTS = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "serviceAccountName": "default",
    "schedulerName": "default-scheduler",
}
_FIXED = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


class Pods:
    """The strategy of pods. Not here: admission by service account, and nearly all validation of the spec."""

    def create(self, body: Object) -> Object:
        spec = {**_DEFAULTS, **body.get("spec", {})}
        return {**body, "spec": spec, "status": {"phase": "Pending", "qosClass": "BestEffort"}}

    def update(self, new: Object, old: Object, subresource: str) -> Object:
        if subresource == "status":
            # Unlike a custom resource's, this one takes labels and annotations along.
            meta = {**new["metadata"]}
            if "ownerReferences" in old["metadata"]:
                meta["ownerReferences"] = old["metadata"]["ownerReferences"]
            return {**new, "metadata": meta, "spec": old["spec"]}
        return {**new, "status": old["status"]}

    def causes(self, new: Object, old: Object | None) -> list[Cause]:
        containers = new["spec"].get("containers") or []
        if not containers:
            return [Cause("spec.containers", "Required value", "FieldValueRequired")]
        found = [
            Cause(f"spec.containers[{index}].{name}", "Required value", "FieldValueRequired")
            for index, container in enumerate(containers)
            for name in ("name", "image")
            if not container.get(name)
        ]
        if old is not None and not same(_without_images(new), _without_images(old)):
            found.append(Cause("spec", _FIXED, "FieldValueForbidden"))
        return found

    def grace_seconds(self, body: Object, asked: int | None) -> int | None:
        """A pod that no node knows, or that has ended, goes at once."""
        if not body["spec"].get("nodeName") or body["status"].get("phase") in ("Succeeded", "Failed"):
            return 0
        seconds = body["spec"]["terminationGracePeriodSeconds"] if asked is None else asked
        return max(int(seconds), 1) if seconds < 0 else int(seconds)


def bound_to(pod: Object, node: str, now: str) -> Object:
    """The pod as the binding subresource leaves it."""
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now}
    others = [item for item in pod["status"].get("conditions", ()) if item["type"] != "PodScheduled"]
    return {
        **pod,
        "spec": {**pod["spec"], "nodeName": node},
        "status": {**pod["status"], "conditions": [*others, scheduled]},
    }


def _without_images(pod: Object) -> Object:
    spec = {key: value for key, value in pod["spec"].items() if key not in ("activeDeadlineSeconds", "tolerations")}
    spec["containers"] = [{**container, "image": ""} for container in spec.get("containers", ())]
    return spec
