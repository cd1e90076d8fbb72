"""RFC 7386 merge and RFC 6902 JSON patch, with the quirks that the API server's library has.

The quirks: a `test` for null passes on a leaf that is missing, but not where its parent is missing; `replace` of a
missing key adds it.
"""

from __future__ import annotations

from typing import Any

from tests.fakes.apiserver.answers import Object, bad_request, failed_patch


def merged(target: Any, patch: Any) -> Any:
    """A new value; null removes, nulls inside what is new are dropped."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def operated(document: Object, operations: Any) -> Object:
    """`document`, which is changed, after all operations. Raises Failure where one does not apply."""
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise bad_request("error decoding patch: cannot unmarshal into jsonpatch.Patch")
    for item in operations:
        _operate(document, item)
    return document


def _operate(document: Object, operation: Object) -> None:
    parent, key = _place(document, operation["path"])
    match operation["op"]:
        case "test":
            if not same(_value(parent, key), operation.get("value")):
                raise failed_patch()
        case "add":
            _add(parent, key, operation.get("value"))
        case "replace":
            _replace(parent, key, operation.get("value"))
        case "remove":
            _remove(parent, key)
        case "move" | "copy":
            raise NotImplementedError("the fake knows add, remove, replace and test")
        case _:
            raise failed_patch()


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: True is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _place(document: Object, pointer: str) -> tuple[Any, str]:
    if not pointer.startswith("/"):
        raise failed_patch()
    *path, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))
    here: Any = document
    for part in path:
        here = _value(here, part)
        if not isinstance(here, dict | list):
            raise failed_patch()
    return here, last


def _index(array: list[Any], key: str) -> int:
    if not key.isdecimal() or int(key) >= len(array):
        raise failed_patch()
    return int(key)


def _value(parent: Any, key: str) -> Any:
    return parent[_index(parent, key)] if isinstance(parent, list) else parent.get(key)


def _add(parent: Any, key: str, value: Any) -> None:
    if isinstance(parent, dict):
        parent[key] = value
    elif key == "-" or key == str(len(parent)):
        parent.append(value)
    else:
        parent.insert(_index(parent, key), value)


def _replace(parent: Any, key: str, value: Any) -> None:
    if isinstance(parent, dict):
        parent[key] = value
    else:
        parent[_index(parent, key)] = value


def _remove(parent: Any, key: str) -> None:
    if isinstance(parent, list):
        del parent[_index(parent, key)]
    elif key in parent:
        del parent[key]
    else:
        raise failed_patch()
