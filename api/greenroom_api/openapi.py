"""Writes the OpenAPI document in the form of version 3.0, which the Swagger UI at hand renders. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

VERSION = "3.0.3"


def inlined(model: type[BaseModel]) -> dict[str, Any]:
    """The model's schema with nothing to look up elsewhere, so that it can stand in anybody's document."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, list):
            return [resolved(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            node = {**definitions[node["$ref"].rpartition("/")[2]], **node}
            del node["$ref"]
        return {key: resolved(value) for key, value in node.items()}

    found: dict[str, Any] = resolved(schema)
    return found


def without_repeats(document: dict[str, Any]) -> dict[str, Any]:
    """A parameter that a route and a permission of it both name stands once, in the route's own words."""
    operations = (operation for path in document["paths"].values() for operation in path.values())
    for operation in operations:
        named = {(item["in"], item["name"].lower()): item for item in operation.get("parameters", ())}
        if named:
            operation["parameters"] = list(named.values())
    return document


def as_3_0(node: Any) -> Any:
    """`anyOf: [X, null]` becomes X with `nullable`, exclusive bounds become flags, `const` an enum."""
    if isinstance(node, list):
        return [as_3_0(item) for item in node]
    if not isinstance(node, dict):
        return node
    return _schema({key: as_3_0(value) for key, value in node.items()})


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    options = schema.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        rest = [option for option in options if option != {"type": "null"}]
        del schema["anyOf"]
        schema["nullable"] = True
        if len(rest) > 1:
            schema["anyOf"] = rest
        elif "$ref" in rest[0]:
            schema["allOf"] = rest
        else:
            schema = {**rest[0], **schema}
    for bound, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(bound), (int, float)) and not isinstance(schema[bound], bool):
            schema[plain] = schema[bound]
            schema[bound] = True
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    return schema
