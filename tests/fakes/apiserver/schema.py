"""A structural schema at work on plain JSON: pruning, defaults, validation, and the CEL rules that our CRDs have."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from tests.fakes.apiserver.answers import Cause
from tests.fakes.apiserver.patches import same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Schema = dict[str, Any]

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
_JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}

# The rules are matched by their text: a new one in the model has to be taught here before any test passes.
_RULES: dict[str, Callable[[Any, Any], bool]] = {
    "self == oldSelf": lambda new, old: old is None or same(new, old),
    "has(self.replicas) != has(self.autoscaling)": lambda new, _: ("replicas" in new) != ("autoscaling" in new),
    "!has(self.autoscaling) || self.autoscaling.minPods <= self.autoscaling.maxPods": lambda new, _: (
        "autoscaling" not in new or new["autoscaling"]["minPods"] <= new["autoscaling"]["maxPods"]
    ),
}


def settled(value: Any, schema: Schema) -> Any:
    """A copy with unknown fields pruned, nulls dropped and defaults filled in."""
    if isinstance(value, list):
        return [settled(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    known: Schema = schema.get("properties", {})
    result = {key: settled(item, known[key]) for key, item in value.items() if key in known and item is not None}
    if schema.get(_PRESERVE):
        result |= {key: item for key, item in value.items() if key not in known}
    elif "additionalProperties" in schema:
        result |= {key: settled(item, schema["additionalProperties"]) for key, item in value.items()}
    for key, inner in known.items():
        if key not in result and "default" in inner:
            result[key] = settled(msgspec.json.decode(msgspec.json.encode(inner["default"])), inner)
    return result


def structural(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    """What is wrong with `value` by itself; `path` is such as `spec.limits`."""
    if not _fits(value, schema):
        wanted = "integer,string" if schema.get("x-kubernetes-int-or-string") else _wanted(schema)
        found = _JSON_TYPES.get(type(value), "null")
        shown = f'"{value}"' if wanted == "date-time" else f'"{found}"'
        yield Cause(
            path, f"Invalid value: {shown}: {path} in body must be of type {wanted}: {shown}", "FieldValueTypeInvalid"
        )
        return
    yield from _bounds(value, schema, path)
    if isinstance(value, dict):
        yield from _inside_object(value, schema, path)
    elif isinstance(value, list):
        yield from _inside_array(value, schema, path)


def rules(new: Any, old: Any, schema: Schema, path: str) -> Iterator[Cause]:
    """What the CEL rules at and below `path` say about a change from `old` (None: a new object)."""
    for rule in schema.get("x-kubernetes-validations", ()):
        if not _RULES[rule["rule"]](new, old):
            yield Cause(path, f"Invalid value: {rule['message']}")
    for key, inner in schema.get("properties", {}).items():
        if isinstance(new, dict) and key in new:
            before = old.get(key) if isinstance(old, dict) else None
            yield from rules(new[key], before, inner, f"{path}.{key}" if path else key)


def _wanted(schema: Schema) -> str:
    return "date-time" if schema.get("format") == "date-time" else str(schema.get("type"))


def _fits(value: Any, schema: Schema) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, int | str) and not isinstance(value, bool)
    wanted = schema.get("type")
    if wanted is None:
        return True
    if isinstance(value, bool) and wanted != "boolean":
        return False
    if not isinstance(value, _PYTHON_TYPES[wanted]):
        return False
    return schema.get("format") != "date-time" or _is_time(str(value))


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _bounds(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if isinstance(value, str):
        yield from _text_bounds(value, schema, path)
    elif isinstance(value, int | float):
        yield from _number_bounds(value, schema, path)
    elif "maxItems" in schema and len(value) > schema["maxItems"]:
        yield _too_many(path, len(value), schema["maxItems"])
    elif "maxProperties" in schema and len(value) > schema["maxProperties"]:
        yield _too_many(path, len(value), schema["maxProperties"])


def _text_bounds(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        yield Cause(path, f"Too long: may not be more than {schema['maxLength']} bytes", "FieldValueTooLong")
    if len(value) < schema.get("minLength", 0):
        least = schema["minLength"]
        yield Cause(path, f'Invalid value: "{value}": {path} in body should be at least {least} chars long')
    pattern = schema.get("pattern", "")
    # Python's `$` also matches before a last newline; the server's does not.
    if pattern and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield Cause(path, f"Invalid value: \"{value}\": {path} in body should match '{pattern}'")
    if "enum" in schema and value not in schema["enum"]:
        known = ", ".join(f'"{item}"' for item in schema["enum"])
        yield Cause(path, f'Unsupported value: "{value}": supported values: {known}', "FieldValueNotSupported")


def _number_bounds(value: float, schema: Schema, path: str) -> Iterator[Cause]:
    least, most = schema.get("minimum"), schema.get("maximum")
    exclusive = schema.get("exclusiveMinimum", False)
    if least is not None and (value <= least if exclusive else value < least):
        words = "greater than" if exclusive else "greater than or equal to"
        yield Cause(path, f"Invalid value: {value}: {path} in body should be {words} {least}")
    if most is not None and value > most:
        yield Cause(path, f"Invalid value: {value}: {path} in body should be less than or equal to {most}")


def _too_many(path: str, count: int, most: int) -> Cause:
    return Cause(path, f"Too many: {count}: must have at most {most} items", "FieldValueTooMany")


def _inside_object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Cause]:
    for key in schema.get("required", ()):
        if key not in value:
            yield Cause(f"{path}.{key}" if path else key, "Required value", "FieldValueRequired")
    for key, inner in schema.get("properties", {}).items():
        if key in value:
            yield from structural(value[key], inner, f"{path}.{key}" if path else key)


def _inside_array(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    for index, item in enumerate(value):
        yield from structural(item, schema.get("items", {}), f"{path}[{index}]")
    keys = schema.get("x-kubernetes-list-map-keys", ())
    seen: list[dict[str, Any]] = []
    for index, item in enumerate(value):
        identity = {key: item[key] for key in keys if isinstance(item, dict) and key in item}
        if identity and identity in seen:
            shown = msgspec.json.encode(identity).decode()
            yield Cause(f"{path}[{index}]", f"Duplicate value: {shown}", "FieldValueDuplicate")
        seen.append(identity)
