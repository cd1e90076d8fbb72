"""Renders the reference of the chart's values: keys, defaults and words from values.yaml, the rest from its schema.

Pure: texts in, text out. A section of values.yaml is a section of the page; a comment right above a key is its meaning.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import yaml

_HEAD = """# The chart's values

Rendered from `charts/greenroom/values.yaml` and `values.schema.json` by `make generate`; edit those, not this page.
[install.md](install.md) says how to set them. A value that is not allowed, or that nobody reads, is refused before
anything reaches the cluster.

"""
_TABLE = "| key | default | meaning | allowed |\n|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    default: str
    meaning: str
    allowed: str

    def __str__(self) -> str:
        cells = (f"`{self.key}`", _code(self.default), self.meaning, self.allowed)
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def page(values: str, schema: str) -> str:
    """Markdown for the text of values.yaml and of its schema."""
    import yaml

    root = yaml.compose(values, Loader=yaml.SafeLoader)
    return "".join((_HEAD, *_sections(_Values(values.splitlines(), json.loads(schema)), root)))


def _sections(values: _Values, root: Any) -> Iterator[str]:
    plain = []
    sections = []
    for key, node in root.value:
        rows = list(values.rows(key, node, values.schema, ""))
        if len(rows) == 1 and rows[0].key == key.value:
            plain += rows
        else:
            sections.append((key.value, values.comment(key), rows))
    yield _TABLE + "".join(map(str, plain))
    for name, words, rows in sections:
        yield f"\n## {name}\n\n" + (f"{_linked(words)}\n\n" if words else "") + _TABLE + "".join(map(str, rows))


class _Values:
    """Lines of values.yaml beside its schema."""

    def __init__(self, lines: list[str], schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._lines = lines

    def rows(self, key: Any, node: Any, above: Mapping[str, Any], prefix: str, of_section: str = "") -> Iterator[_Row]:
        """Of a key and all below it; what is written in braces is one value. A section's words are its `enabled`'s."""
        name = f"{prefix}{key.value}"
        words = self.comment(key)
        own = above.get("properties", {}).get(key.value, {})
        schema = self._resolved(own)
        if _is_section(node) and "$ref" not in own and "properties" in schema:
            for below, value in node.value:
                yield from self.rows(below, value, schema, f"{name}.", words)
        else:
            words = words or (of_section if key.value == "enabled" else schema.get("description", ""))
            yield _Row(name, _default(node), _linked(words), self._allowed(schema))

    def comment(self, key: Any) -> str:
        """The lines right above a key, as one."""
        number, words = key.start_mark.line - 1, []
        start = " " * key.start_mark.column + "# "
        while number >= 0 and self._lines[number].startswith(start):
            words.append(self._lines[number].removeprefix(start).strip())
            number -= 1
        return " ".join(reversed(words))

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in schema:
            return schema
        found: Mapping[str, Any] = self.schema["definitions"][schema["$ref"].rpartition("/")[2]]
        return {**found, **schema}

    def _allowed(self, schema: Mapping[str, Any]) -> str:
        schema = self._resolved(schema)
        if "enum" in schema:
            return ", ".join(_code(str(item)) for item in schema["enum"])
        if "anyOf" in schema:
            return " or ".join(self._allowed(option) for option in schema["anyOf"])
        match schema.get("type"):
            case "boolean":
                return "`true`, `false`"
            case "integer" | "number" as kind:
                return " ".join(filter(None, ("whole number" if kind == "integer" else "number", _bounds(schema))))
            case "string":
                return f"text of the form {_code(schema['pattern'])}" if "pattern" in schema else "text"
            case "array":
                return f"list of {self._allowed(schema.get('items', {}))}"
            case "object" if "properties" in schema:
                return "fields " + ", ".join(map(_code, schema["properties"]))
            case "object" if isinstance(schema.get("additionalProperties"), dict):
                return f"{self._allowed(schema['additionalProperties'])} by name"
            case "object":
                return "object"
        return "anything"


def _is_section(node: yaml.Node) -> bool:
    return node.id == "mapping" and bool(node.value) and not node.flow_style  # type: ignore[attr-defined]


def _bounds(schema: Mapping[str, Any]) -> str:
    match schema.get("minimum"), schema.get("maximum"):
        case None, None:
            return ""
        case least, None:
            return f"from {least}"
        case None, most:
            return f"up to {most}"
        case least, most:
            return f"{least} to {most}"
    raise AssertionError(schema)


def _default(node: Any) -> str:
    import yaml

    value = yaml.safe_load(yaml.serialize(node))
    if isinstance(value, str):
        return value or '""'
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).removesuffix("...\n").strip()


def _linked(words: str) -> str:
    """Pages of docs/ are named from the root in values.yaml, and stand beside this one."""
    return re.sub(r"docs/([a-z-]+\.md)", r"[\1](\1)", words)


def _code(text: str) -> str:
    return f"`{text}`"
