"""The parts of a pod template that the operator itself reads, checked before it does.

The CRD lets any object through as a template: the rest of it is the API server's to judge, by a dry run.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, ValidationError, convert


class _Named(Struct):
    name: str


class _Port(Struct):
    name: str | None = None


class _Container(Struct):
    env: list[_Named] | None = None
    ports: list[_Port] | None = None


class _Metadata(Struct):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Spec(Struct):
    containers: list[_Container] | None = None


class _Template(Struct):
    metadata: _Metadata | None = None
    spec: _Spec | None = None


def check(template: dict[str, Any]) -> None:
    """Raises ValueError, naming the field, for a template that no pod can be made of."""
    try:
        known = convert(template, _Template)
    except ValidationError as error:
        raise ValueError(str(error).replace("`$.", "`spec.template.")) from None
    if known.spec is None or not known.spec.containers:
        raise ValueError("spec.template.spec.containers is empty: name the container that runs the agent file")
