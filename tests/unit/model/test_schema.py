"""The renderer: each kind of field as the structural schema that a CRD takes."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct, field

from greenroom_core.model.crds import runtime_crd, session_crd
from greenroom_core.model.runtime import IntOrPercent
from greenroom_core.model.schema import Schema, render


class Colour(StrEnum):
    RED = "Red"
    BLUE = "Blue"


class Inner(Struct, rename="camel"):
    a_name: str = "x"


class Outer(Struct, rename="camel"):
    must_be: int
    inner: Inner = field(default_factory=Inner)
    maybe: str | None = None
    colour: Colour = Colour.BLUE
    listed: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("type_", "schema"),
    [
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (int, {"type": "integer", "format": "int64"}),
        (float, {"type": "number"}),
        (datetime, {"type": "string", "format": "date-time"}),
        (Colour, {"type": "string", "enum": ["Red", "Blue"]}),
        (str | None, {"type": "string"}),
        (Annotated[int, Meta(ge=1, le=9)], {"type": "integer", "format": "int64", "minimum": 1, "maximum": 9}),
        (Annotated[float, Meta(gt=0)], {"type": "number", "minimum": 0, "exclusiveMinimum": True}),
        (
            Annotated[str, Meta(pattern="^a$", min_length=1, max_length=3)],
            {"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^a$"},
        ),
        (Annotated[str, Meta(description="what")], {"type": "string", "description": "what"}),
        (
            Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="d")],
            {"type": "integer", "format": "int64", "minimum": 0, "description": "d"},
        ),
        (dict[str, Any], {"type": "object"}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer", "format": "int64"}}),
        (
            Annotated[tuple[str, ...], Meta(max_length=2)],
            {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        ),
        (IntOrPercent, {"x-kubernetes-int-or-string": True, "pattern": "^[0-9]+%?$"}),
    ],
)
def test_type_is_rendered_as(type_: Any, schema: Schema) -> None:
    assert render(type_) == schema


def test_struct_names_its_fields_as_on_the_wire_with_defaults_and_what_is_required() -> None:
    inner = {"type": "object", "properties": {"aName": {"type": "string", "default": "x"}}}
    assert json.loads(json.dumps(render(Outer))) == {
        "type": "object",
        "required": ["mustBe"],
        "properties": {
            "mustBe": {"type": "integer", "format": "int64"},
            "inner": inner,
            "maybe": {"type": "string"},
            "colour": {"type": "string", "enum": ["Red", "Blue"], "default": "Blue"},
            "listed": {"type": "array", "items": inner, "default": []},
        },
    }


@pytest.mark.parametrize("type_", [bytes, set[str], int | float, str | Inner, tuple[int, str]])
def test_type_that_no_structural_schema_holds_is_refused_with_the_way_out(type_: Any) -> None:
    with pytest.raises(TypeError, match="a CRD schema cannot hold"):
        render(type_)


def properties(crd: dict[str, Any], part: str) -> Schema:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found: Schema = schema["properties"][part]
    return found


def defaults(schema: Any, path: str = "") -> dict[str, Any]:
    """Every default in a schema, by path."""
    if not isinstance(schema, dict):
        return {}
    found = {path: schema["default"]} if "default" in schema else {}
    for key, inner in schema.get("properties", {}).items():
        found |= defaults(inner, f"{path}.{key}")
    return found


def test_status_has_no_default_but_the_first_phase() -> None:
    assert defaults(properties(session_crd(), "status")) == {"": {"phase": "Pending"}, ".phase": "Pending"}
    assert defaults(properties(runtime_crd(), "status")) == {}


def test_what_session_defaults_can_give_has_no_default_in_a_session() -> None:
    given = defaults(properties(session_crd(), "spec"))
    assert given == {".callType": "default", ".runtime": "default", ".priority": 0}


def test_definitions_can_be_selected_scaled_and_found_by_short_name() -> None:
    session, runtime = session_crd()["spec"], runtime_crd()["spec"]
    assert [entry["jsonPath"] for entry in session["versions"][0]["selectableFields"]] == [
        ".status.podName",
        ".status.phase",
        ".spec.callId",
        ".spec.runtime",
    ]
    assert (session["names"]["shortNames"], runtime["names"]["shortNames"]) == (["ags"], ["agrt"])
    assert session["names"]["categories"] == runtime["names"]["categories"] == ["agents"]
    assert runtime["versions"][0]["subresources"]["scale"] == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.pods",
        "labelSelectorPath": ".status.selector",
    }


@pytest.mark.parametrize("crd", [session_crd(), runtime_crd()], ids=["AgentSession", "AgentRuntime"])
def test_kubectl_explain_has_a_word_on_each_field(crd: dict[str, Any]) -> None:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    bare = [path for path in undescribed(schema) if path not in {".spec", ".status"}]
    # The names of the figures say what they are; the word is on all of them together.
    assert [path for path in bare if not path.startswith(".status.metrics.")] == []


def undescribed(schema: Schema, path: str = "") -> list[str]:
    """Paths of the fields without a description."""
    found = undescribed(schema["items"], f"{path}[]") if "items" in schema else []
    for name, inner in schema.get("properties", {}).items():
        found += [] if "description" in inner else [f"{path}.{name}"]
        found += undescribed(inner, f"{path}.{name}")
    return found
