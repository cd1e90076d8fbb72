"""The resources that the fake serves, and what each does to an object on its way into storage.

Ours are read from the CRDs that the model renders; of the built-in ones only what Greenroom relies on is here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from tests.fakes.apiserver.answers import Cause, Naming, Object
from tests.fakes.apiserver.patches import same
from tests.fakes.apiserver.pods import Pods
from tests.fakes.apiserver.schema import Schema, rules, settled, structural

from greenroom_core.model.crds import runtime_crd, session_crd

STATUS = "status"
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_METADATA_FIELDS = ("metadata.name", "metadata.namespace")


class Strategy(Protocol):
    """What is special about a kind. Bodies are the caller's own copies and may be changed."""

    def create(self, body: Object) -> Object:
        """What is stored of a new object, before validation."""
        ...

    def update(self, new: Object, old: Object, subresource: str) -> Object:
        """What is stored of `new`, before validation; what `subresource` may not write comes from `old`."""
        ...

    def causes(self, new: Object, old: Object | None) -> list[Cause]:
        """What is wrong with it."""
        ...

    def grace_seconds(self, body: Object, asked: int | None) -> int | None:
        """How long a deletion waits; None: this kind has no grace."""
        ...


@dataclass(frozen=True, slots=True)
class Resource:
    """One row of the table of resources."""

    base: str
    naming: Naming
    strategy: Strategy
    namespaced: bool = True
    built_in: bool = True
    subresources: frozenset[str] = frozenset()
    selectable: tuple[str, ...] = _METADATA_FIELDS
    counts_generation: bool = False

    @property
    def api_version(self) -> str:
        return self.base.removeprefix("/apis/").removeprefix("/api/")


class Plain:
    """A kind that is stored as it comes; `status` is written through the subresource where there is one."""

    def __init__(self, *, has_status: bool = False) -> None:
        self._has_status = has_status

    def create(self, body: Object) -> Object:
        return body

    def update(self, new: Object, old: Object, subresource: str) -> Object:
        if not self._has_status:
            return new
        if subresource == STATUS:
            return {**old, "status": new.get("status", {})}
        return {**new, "status": old.get("status", {})}

    def causes(self, new: Object, old: Object | None) -> list[Cause]:
        return []

    def grace_seconds(self, body: Object, asked: int | None) -> int | None:
        return None


class Leases(Plain):
    def causes(self, new: Object, old: Object | None) -> list[Cause]:
        duration = new.get("spec", {}).get("leaseDurationSeconds")
        if duration is None or duration > 0:
            return []
        return [Cause("spec.leaseDurationSeconds", f"Invalid value: {duration}: must be greater than 0")]


class Namespaces(Plain):
    def create(self, body: Object) -> Object:
        return {**body, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


class Custom:
    """A kind that a CRD defines, with its schema, defaults and CEL rules and a status subresource."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def create(self, body: Object) -> Object:
        return self._settled({key: value for key, value in body.items() if key != "status"})

    def update(self, new: Object, old: Object, subresource: str) -> Object:
        if subresource == STATUS:
            return self._settled({**old, "status": new.get("status")})
        kept = {"status": old["status"]} if "status" in old else {}
        return self._settled({key: value for key, value in new.items() if key != "status"} | kept)

    def causes(self, new: Object, old: Object | None) -> list[Cause]:
        found = list(structural(_content(new), self._schema, ""))
        if any(cause.blocking for cause in found):
            return found
        return found + list(rules(_content(new), _content(old) if old else None, self._schema, ""))

    def grace_seconds(self, body: Object, asked: int | None) -> int | None:
        return None

    def _settled(self, body: Object) -> Object:
        head = {key: body[key] for key in ("apiVersion", "kind", "metadata")}
        content: Object = settled(_content(body), self._schema)
        return head | content


def _content(body: Object) -> Object:
    return {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}


def custom(crd: Mapping[str, Any]) -> Resource:
    """The resource that a CustomResourceDefinition defines."""
    spec = crd["spec"]
    version = spec["versions"][0]
    return Resource(
        base=f"/apis/{spec['group']}/{version['name']}",
        naming=Naming(spec["group"], spec["names"]["plural"], spec["names"]["kind"]),
        strategy=Custom(version["schema"]["openAPIV3Schema"]),
        built_in=False,
        subresources=frozenset(version.get("subresources", ())),
        selectable=_METADATA_FIELDS + tuple(f["jsonPath"][1:] for f in version.get("selectableFields", ())),
        counts_generation=True,
    )


def _built_in(base: str, plural: str, kind: str, strategy: Strategy | None = None, **more: Any) -> Resource:
    group = base.split("/")[2] if base.startswith("/apis/") else ""
    return Resource(base, Naming(group, plural, kind), strategy or Plain(), **more)


@cache
def _ours() -> tuple[Resource, Resource]:
    return custom(session_crd()), custom(runtime_crd())


def every_resource() -> list[Resource]:
    with_status, only_status = Plain(has_status=True), frozenset({STATUS})
    pods = _built_in(
        "/api/v1",
        "pods",
        "Pod",
        Pods(),
        subresources=frozenset({STATUS, "binding"}),
        selectable=(*_METADATA_FIELDS, "spec.nodeName", "spec.serviceAccountName", "status.phase", "status.podIP"),
        counts_generation=True,
    )
    return [
        *_ours(),
        pods,
        _built_in("/api/v1", "namespaces", "Namespace", Namespaces(), namespaced=False),
        _built_in(
            "/api/v1",
            "nodes",
            "Node",
            with_status,
            namespaced=False,
            subresources=only_status,
            selectable=("metadata.name", "spec.unschedulable"),
        ),
        _built_in("/api/v1", "events", "Event"),
        _built_in("/api/v1", "configmaps", "ConfigMap"),
        _built_in("/api/v1", "secrets", "Secret"),
        _built_in("/api/v1", "serviceaccounts", "ServiceAccount"),
        _built_in("/apis/events.k8s.io/v1", "events", "Event"),
        _built_in("/apis/coordination.k8s.io/v1", "leases", "Lease", Leases()),
        _built_in(
            "/apis/policy/v1",
            "poddisruptionbudgets",
            "PodDisruptionBudget",
            with_status,
            subresources=only_status,
            counts_generation=True,
        ),
    ]


def metadata_causes(new: Object, old: Object | None) -> list[Cause]:
    """What the server refuses in the metadata of any kind."""
    meta = new["metadata"]
    if old is None:
        name = meta["name"]
        if _SUBDOMAIN.fullmatch(name) and len(name) <= 253:
            return []
        rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
        return [Cause("metadata.name", f'Invalid value: "{name}": {rule}')]
    found = []
    before = old["metadata"]
    if meta["uid"] != before["uid"]:
        found.append(Cause("metadata.uid", f'Invalid value: "{meta["uid"]}": field is immutable'))
    fresh = [item for item in meta.get("finalizers", ()) if item not in before.get("finalizers", ())]
    if fresh and "deletionTimestamp" in before:
        listed = ", ".join(f'"{item}"' for item in fresh)
        why = "no new finalizers can be added if the object is being deleted, found new finalizers"
        why = f"{why} []string{{{listed}}}"
        found.append(Cause("metadata.finalizers", f"Forbidden: {why}", "FieldValueForbidden"))
    return found


def spec_changed(new: Object, old: Object) -> bool:
    """Whether `generation` grows: anything but metadata and status differs."""
    outside = ("metadata", "status")
    return not same(
        {key: value for key, value in new.items() if key not in outside},
        {key: value for key, value in old.items() if key not in outside},
    )
