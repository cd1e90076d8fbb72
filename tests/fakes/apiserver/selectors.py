"""Label and field selectors, compiled into a test on one object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.fakes.apiserver.answers import Object, bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


_SET = re.compile(r"(?P<key>[^\s!=,()]+)\s+(?P<word>in|notin)\s+\((?P<values>[^)]*)\)")
_EQUALITY = re.compile(r"(?P<key>[^\s!=,()]+)\s*(?P<word>==|=|!=)\s*(?P<value>[^\s!=,()]*)")
_PRESENCE = re.compile(r"(?P<no>!?)\s*(?P<key>[^\s!=,()]+)")

_ABSENT = {("spec", "unschedulable"): "false"}
"""What an absent field counts as, where that is not the empty text."""


def everything(_: Object) -> bool:
    return True


def by_labels(text: str) -> Callable[[Object], bool]:
    """`a=b,c!=d,e in (f,g),h notin (i),j,!k`. Raises Failure for what cannot be read."""
    requirements = [_requirement(part.strip()) for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    if not requirements:
        return everything

    def matches(body: Object) -> bool:
        labels = body["metadata"].get("labels") or {}
        return all(requirement(labels) for requirement in requirements)

    return matches


def _requirement(part: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.fullmatch(part):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["word"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUALITY.fullmatch(part):
        key, value = found["key"], found["value"]
        if found["word"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _PRESENCE.fullmatch(part):
        key, wanted = found["key"], not found["no"]
        return lambda labels: (key in labels) is wanted
    raise bad_request(f"unable to parse requirement: {part}")


def by_fields(text: str, selectable: Collection[str]) -> Callable[[Object], bool]:
    """`status.podName=p1,status.phase!=Closed`; a field that is absent counts as the empty text, a flag as false."""
    terms: list[tuple[tuple[str, ...], str, bool]] = []
    for part in filter(None, text.split(",")):
        found = _EQUALITY.fullmatch(part.strip())
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        if found["key"] not in selectable:
            raise bad_request(f"field label not supported: {found['key']}")
        terms.append((tuple(found["key"].split(".")), found["value"], found["word"] != "!="))
    if not terms:
        return everything
    return lambda body: all((_text(body, path) == value) is wanted for path, value, wanted in terms)


def _text(body: Object, path: tuple[str, ...]) -> str:
    here: Any = body
    for part in path:
        here = here.get(part) if isinstance(here, dict) else None
    if here is None:
        return _ABSENT.get(path, "")
    return str(here).lower() if isinstance(here, bool) else str(here)
