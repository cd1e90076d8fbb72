"""The reference of the chart's values: equal to what would be written (test_generated), whole, and readable."""

from __future__ import annotations

import json
from typing import Any

import yaml

from greenroom_core.model import chart, values_page

from .rendering import CHART

VALUES = (CHART / "values.yaml").read_text()
SCHEMA = (CHART / "values.schema.json").read_text()


def rows(text: str) -> dict[str, list[str]]:
    """[default, meaning, allowed] by key."""
    cells = [line.replace("\\|", "¦").strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {key.strip("`"): rest for key, *rest in cells}


def leaves(value: Any, prefix: str = "") -> set[str]:
    if not isinstance(value, dict) or not value:
        return {prefix}
    return set().union(*(leaves(item, f"{prefix}.{key}" if prefix else key) for key, item in value.items()))


def test_every_value_is_there_and_none_that_is_not() -> None:
    told = rows(values_page.page(VALUES, SCHEMA))
    known = leaves(yaml.safe_load(VALUES))
    assert {leaf for leaf in known if not any(leaf == key or leaf.startswith(f"{key}.") for key in told)} == set()
    assert {key for key in told if not any(leaf == key or leaf.startswith(f"{key}.") for leaf in known)} == set()


def test_every_value_has_a_meaning_and_what_is_allowed() -> None:
    told = rows(chart.VALUES_PAGE.read_text())
    assert {key for key, cells in told.items() if len(cells) != 3 or not all(cells)} == set()
    assert {key for key, (_, _, allowed) in told.items() if allowed == "anything"} == set()


def test_what_a_row_is_made_of() -> None:
    values = "\n".join(
        (
            "# One.",
            "one: 1",
            "",
            "# All of it; docs/auth.md.",
            "two:",
            "  enabled: false",
            "  # First,",
            "  # then this.",
            "  name: a|b",
            "  more: {x: 1}",
        )
    )
    of_two = {
        "enabled": {"type": "boolean"},
        "name": {"type": "string", "pattern": "^a|b$"},
        "more": {"$ref": "#/definitions/more"},
    }
    schema = {
        "definitions": {"more": {"description": "Else.", "type": "object", "properties": {"x": {"type": "integer"}}}},
        "properties": {
            "one": {"type": "integer", "minimum": 0, "maximum": 9},
            "two": {"type": "object", "properties": of_two},
        },
    }
    text = values_page.page(values, json.dumps(schema))
    assert "\n## two\n\nAll of it; [auth.md](auth.md).\n" in text
    assert rows(text) == {
        "one": ["`1`", "One.", "whole number 0 to 9"],
        "two.enabled": ["`false`", "All of it; [auth.md](auth.md).", "`true`, `false`"],
        "two.name": ["`a¦b`", "First, then this.", "text of the form `^a¦b$`"],
        "two.more": ["`{x: 1}`", "Else.", "fields `x`"],
    }
