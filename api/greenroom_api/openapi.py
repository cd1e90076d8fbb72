"""Writes the OpenAPI document in the form of version 3.0, which the Swagger UI at hand renders. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

VERSION = "3.0.3"

BEFORE_ANY = """Answers that every path may give before its operation is looked at: 400 to what is not HTTP/1.1, 408 to
a request that takes too long to come, 431 to a head over 64 KiB, 503 where there are too many connections. Bodies are
JSON whatever their Content-Type says; other methods than those named are 405, other paths 404."""

_BEARER, _CLOSE_TOKEN, _CLOSE_HEADER = "bearer", "closeToken", "Greenroom-Close-Token"
_SCHEMES = {
    _BEARER: {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the cluster, a JWT of the issuer or a key, as the server is set up.",
    },
    _CLOSE_TOKEN: {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "The `Greenroom-Close-Token` of the answer to this session's start.",
    },
}


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


def guarded(document: dict[str, Any], too_often: dict[int | str, dict[str, Any]]) -> dict[str, Any]:
    """Says how one is let in where that is asked: in the operations that may answer 401. They may answer `too_often`,
    and a close token opens one of them."""
    document.setdefault("components", {})["securitySchemes"] = _SCHEMES
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "401" not in operation["responses"]:
                continue
            closes = method == "post" and path.endswith("/close")
            operation["security"] = [{_BEARER: []}, *([{_CLOSE_TOKEN: []}] if closes else [])]
            for status, answer in too_often.items():
                operation["responses"].setdefault(str(status), answer)
            _with_header(operation["responses"]["401"], "WWW-Authenticate", "`Bearer`", "string")
            for status in {"201", "202"} & set(operation["responses"]) if method == "post" and not closes else ():
                _with_header(operation["responses"][status], _CLOSE_HEADER, "Closes this session alone", "string")
    return document


def with_retry_after(document: dict[str, Any]) -> dict[str, Any]:
    """A 429 or 503 says when to come back."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for status in {"429", "503"} & set(operation["responses"]):
                _with_header(operation["responses"][status], "Retry-After", "In seconds", "integer")
    return document


def _with_header(answer: dict[str, Any], name: str, description: str, kind: str) -> None:
    answer.setdefault("headers", {})[name] = {"description": description, "schema": {"type": kind}}


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
