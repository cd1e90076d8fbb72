"""Renders a wire type as the structural OpenAPI schema that a CRD takes."""

from __future__ import annotations

from typing import Any

from msgspec import NODEFAULT, inspect, to_builtins

Schema = dict[str, Any]

_BOUNDS = {"ge": "minimum", "le": "maximum", "min_length": "minLength", "max_length": "maxLength"}


def render(type_: Any) -> Schema:
    """The schema of `type_`: nested, without references, as the API server wants it.

    Raises TypeError for a type that a structural schema cannot hold.
    """
    return _render(inspect.type_info(type_))


def _render(info: inspect.Type) -> Schema:
    match info:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            return {**_render(inner), **(extra or {})}
        case inspect.UnionType(types=types):
            return _union(types)
        case inspect.StructType():
            return _struct(info)
        case inspect.StrType():
            return _bounded({"type": "string"}, info, "min_length", "max_length") | (
                {"pattern": info.pattern} if info.pattern else {}
            )
        case inspect.IntType():
            return _bounded({"type": "integer", "format": "int64"}, info, "ge", "le")
        case inspect.FloatType():
            return _number(info)
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.DateTimeType():
            return {"type": "string", "format": "date-time"}
        case inspect.EnumType(cls=cls):
            return {"type": "string", "enum": [member.value for member in cls]}
        case inspect.VarTupleType(item_type=item):
            return {"type": "array", "items": _render(item)} | (
                {"maxItems": info.max_length} if info.max_length is not None else {}
            )
        case inspect.DictType(value_type=value):
            free = isinstance(value, inspect.AnyType)
            return {"type": "object"} | ({} if free else {"additionalProperties": _render(value)})
        case _:
            raise TypeError(f"a CRD schema cannot hold {info!r}: use a struct, a tuple, a dict or a plain value")


def _union(types: tuple[inspect.Type, ...]) -> Schema:
    """Optional fields are simply not required; the one real union is int-or-string."""
    some = [item for item in types if not isinstance(item, inspect.NoneType)]
    if len(some) == 1:
        return _render(some[0])
    if {type(item) for item in some} == {inspect.IntType, inspect.StrType}:
        return {}
    raise TypeError(f"a CRD schema cannot hold the union {types!r}")


def _bounded(schema: Schema, info: Any, *names: str) -> Schema:
    for name in names:
        bound = getattr(info, name)
        if bound is not None:
            schema[_BOUNDS[name]] = bound
    return schema


def _number(info: inspect.FloatType) -> Schema:
    schema = _bounded({"type": "number"}, info, "ge", "le")
    if info.gt is not None:
        schema |= {"minimum": info.gt, "exclusiveMinimum": True}
    return schema


def _struct(info: inspect.StructType) -> Schema:
    properties: Schema = {}
    required = []
    for field in info.fields:
        schema = _render(field.type)
        if field.required:
            required.append(field.encode_name)
        elif field.default is not NODEFAULT and field.default is not None:
            schema["default"] = to_builtins(field.default)
        properties[field.encode_name] = schema
    rendered: Schema = {"type": "object", "properties": properties}
    if required:
        rendered["required"] = required
    return rendered
