"""The environment and the command line of a pod's process, from its spec. No I/O: what is referred to is passed in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenroom_local.node.pod import CannotStart, LocalPod

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


@dataclass(frozen=True, slots=True)
class Reference:
    """A Secret or ConfigMap that an environment variable takes a value from; `plural` as in its path."""

    plural: str
    name: str
    optional: bool = False


_KINDS = {
    "secretKeyRef": "secrets",
    "configMapKeyRef": "configmaps",
    "secretRef": "secrets",
    "configMapRef": "configmaps",
}


def references(pod: LocalPod) -> frozenset[Reference]:
    """Everything that has to be read before :func:`environment_of`."""
    found = [_reference(source) for source in pod.container.get("envFrom") or ()]
    found += [_reference(item.get("valueFrom") or {}) for item in pod.container.get("env") or ()]
    return frozenset(reference for reference in found if reference is not None)


def environment_of(pod: LocalPod, address: str, values: Mapping[Reference, Mapping[str, str] | None]) -> dict[str, str]:
    """The variables that the spec asks for. A None in `values` is an object that does not exist. Raises CannotStart."""
    result: dict[str, str] = {}
    for source in pod.container.get("envFrom") or ():
        prefix = source.get("prefix", "")
        result |= {prefix + key: value for key, value in _all(source, values).items()}
    for item in pod.container.get("env") or ():
        source = item.get("valueFrom")
        value = _from_source(pod, address, source, values) if source else expand(item.get("value", ""), result)
        if value is not None:
            result[item["name"]] = value
    return result


def command_of(pod: LocalPod, environment: Mapping[str, str]) -> tuple[str, ...]:
    """`command` and `args`, expanded. Raises CannotStart without a command: there is no image to ask for one."""
    command = pod.container.get("command") or ()
    if not command:
        raise CannotStart(f"container {pod.container.get('name')} has no command, and no image is read here")
    return tuple(expand(word, environment) for word in (*command, *(pod.container.get("args") or ())))


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Kubernetes' own form: ``$(NAME)`` where NAME is known, ``$$`` for a dollar sign, all else as it is."""

    def replace(found: re.Match[str]) -> str:
        if found.group() == "$$":
            return "$"
        return environment.get(found.group(1), found.group())

    return _VARIABLE.sub(replace, text)


def _reference(source: Mapping[str, Any]) -> Reference | None:
    for field, plural in _KINDS.items():
        if field in source:
            return Reference(plural, source[field]["name"], bool(source[field].get("optional", False)))
    return None


def _all(source: Mapping[str, Any], values: Mapping[Reference, Mapping[str, str] | None]) -> Mapping[str, str]:
    reference = _reference(source)
    if reference is None:
        raise CannotStart(f"envFrom source {sorted(source)} is not known here")
    data = values[reference]
    if data is None and not reference.optional:
        raise CannotStart(f"{reference.plural} {reference.name} does not exist")
    return data or {}


def _from_source(
    pod: LocalPod,
    address: str,
    source: Mapping[str, Any],
    values: Mapping[Reference, Mapping[str, str] | None],
) -> str | None:
    if "fieldRef" in source:
        return _field(pod, address, source["fieldRef"]["fieldPath"])
    reference = _reference(source)
    if reference is None:
        raise CannotStart(f"valueFrom {sorted(source)} is not known here")
    key = next(iter(source.values()))["key"]
    value = (values[reference] or {}).get(key)
    if value is None and not reference.optional:
        raise CannotStart(f"{reference.plural} {reference.name} has no key {key}")
    return value


def _field(pod: LocalPod, address: str, path: str) -> str:
    meta = pod.metadata
    fields = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": pod.node_name,
        "spec.serviceAccountName": pod.service_account,
        "status.podIP": address,
        "status.podIPs": address,
        "status.hostIP": address,
    }
    if path in fields:
        return fields[path]
    if found := _SUBSCRIPT.fullmatch(path):
        values = meta.labels if found.group(1) == "labels" else meta.annotations
        return values.get(found.group(2), "")
    raise CannotStart(f"fieldRef {path} is not known here")
