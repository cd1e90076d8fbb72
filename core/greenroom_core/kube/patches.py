"""The forms of write that the status baton allows, as plain patch documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from greenroom_core.model.meta import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom_core.model.session import AgentSession


def versioned_status(resource_version: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The operator's form: a merge patch that holds only for the version it was planned from. None removes, and a
    value replaces the one before it as a whole."""
    status = {name: _replacing(value) for name, value in fields.items()}
    return {"metadata": {"resourceVersion": resource_version}, "status": status}


def versioned_metadata(resource_version: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch of metadata that holds only for the version it was planned from."""
    return {"metadata": {"resourceVersion": resource_version, **fields}}


def annotation_patch(values: Mapping[str, str | None]) -> dict[str, Any]:
    """Annotations set (or, with None, removed), whatever else the object holds."""
    return {"metadata": {"annotations": dict(values)}}


def attempt_status(session: AgentSession, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The bound pod's form: a JSON patch that holds only while the same attempt does.

    Each value is written whole; None removes nothing but sets the field to null, which the server drops.
    """
    tests = (
        ("/metadata/uid", session.metadata.uid),
        ("/status/podUID", session.status.pod_uid),
        ("/status/attempt", session.status.attempt),
    )
    return [
        *({"op": "test", "path": path, "value": value} for path, value in tests),
        *({"op": "add", "path": f"/status/{name}", "value": value} for name, value in plain(fields).items()),
    ]


def _replacing(value: Any) -> Any:
    """A merge patch merges objects: what a value is without has to be removed by name."""
    if isinstance(value, Struct):
        return {field.encode_name: _replacing(getattr(value, field.name)) for field in structs.fields(value)}
    return plain(value)
