"""What people import: the names of docs/migrating.md, both columns of its table of import lines."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import greenroom

ROOT = Path(__file__).resolve().parents[2]
TABLE_LINE = re.compile(r"^\| `(from vision_agents[^`]+)` \| `(from greenroom[^`]+)` \|$", re.MULTILINE)
IMPORT_LINES = TABLE_LINE.findall((ROOT / "docs" / "migrating.md").read_text())
OF_THE_PEER = {
    "Agent",
    "AgentLauncher",
    "AgentSession",
    "InMemorySessionKVStore",
    "RedisSessionKVStore",
    "Runner",
    "ServeOptions",
    "SessionInfo",
    "SessionKVStore",
    "SessionRegistry",
    "User",
}
"""What `vision_agents.core` exports."""


def imported(line: str) -> set[str]:
    [statement] = ast.parse(line).body
    assert isinstance(statement, ast.ImportFrom)
    return {alias.name for alias in statement.names}


@pytest.mark.parametrize("line", [ours for _, ours in IMPORT_LINES])
def test_our_import_lines_work(line: str) -> None:
    names: dict[str, object] = {}
    exec(line, names)
    assert imported(line) <= names.keys()


@pytest.mark.parametrize(("theirs", "ours"), IMPORT_LINES)
def test_only_the_module_differs(theirs: str, ours: str) -> None:
    assert imported(theirs) == imported(ours)


def test_every_name_is_in_the_table() -> None:
    told = set().union(*(imported(theirs) for theirs, _ in IMPORT_LINES if "vision_agents.core import" in theirs))
    assert told == OF_THE_PEER
    # With the package redis one more is there, which `import *` leaves out.
    assert {*greenroom.__all__, "RedisSessionKVStore"} >= OF_THE_PEER


@pytest.mark.parametrize("name", greenroom.__all__)
def test_exported_names_are_documented(name: str) -> None:
    value = getattr(greenroom, name)
    assert value.__name__ == name
    assert inspect.getdoc(value), f"greenroom.{name} has no docstring"


def test_the_limits_are_one_family() -> None:
    for name in ("MaxConcurrentSessionsExceeded", "MaxSessionsPerCallExceeded"):
        assert issubclass(getattr(greenroom, name), greenroom.SessionLimitExceeded)


@pytest.mark.parametrize(
    ("name", "home"),
    [("RedisSessionKVStore", "greenroom.registry"), ("RedisCheckpoints", "greenroom.checkpoints")],
)
def test_without_redis_its_stores_are_absent(name: str, home: str) -> None:
    """As if the package were not installed: the name is not there, silently, and the module says what to install."""
    code = f"""
import importlib, importlib.abc, sys
class NotInstalled(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "redis":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, NotInstalled())
import greenroom
print(hasattr(greenroom, "{name}"), hasattr(importlib.import_module("{home}"), "{name}"))
try:
    import {home}.redis
except ModuleNotFoundError as error:
    print(error.name, "greenroom[redis]" in str(error))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False False\nredis True\n", "")


def test_there_is_no_other_place_for_them() -> None:
    """One way to import a name; `greenroom.core` would be a second."""
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("greenroom.core")
