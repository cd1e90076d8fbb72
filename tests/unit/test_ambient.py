"""No program reads the clock, sleeps, sets a time limit or draws random numbers but through its World.

`clock.py` is where the real time comes in; `local/` drives real processes and is not looked at. Programs of the cluster
make no random identities either; what runs agents may name things with `uuid4`.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

_SHELVES = ("core", "operator", "api", "agent_runtime")
_CLUSTER = ("core/", "operator/", "api/", "agent_runtime/greenroom/runtime/")
_CLOCK = ROOT / "core/greenroom_core/clock.py"

_EXCUSED = {
    ("operator/greenroom_operator/handlers.py", "datetime.datetime.now"): "kopf compares it with the machine's clock",
}

_FORBIDDEN = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "clock_gettime", "sleep"},
    "datetime.datetime": {"now", "utcnow", "today"},
    "datetime.date": {"today"},
    "asyncio": {"sleep", "timeout", "timeout_at", "wait_for"},
    "os": {"urandom"},
    "secrets": {"token_hex", "token_bytes", "token_urlsafe", "choice", "randbelow", "randbits"},
}
_IDENTITIES = {"uuid.uuid1", "uuid.uuid4"}


def modules() -> list[Path]:
    found = [path for shelf in _SHELVES for path in sorted((ROOT / shelf).rglob("*.py"))]
    return [path for path in found if path != _CLOCK]


def imported(tree: ast.AST) -> dict[str, str]:
    """What each name of a module stands for: `sleep` for `asyncio.sleep`, `dt` for `datetime`."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, names)
        return f"{base}.{node.attr}" if base else ""
    return ""


def ambient(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of every use of ambient time or chance; `asyncio.sleep(0)` gives way and waits for nothing."""
    tree = ast.parse(source)
    names = imported(tree)
    gives_way = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and _zero(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name | ast.Attribute) or id(node) in gives_way:
            continue
        name = dotted(node, names)
        owner, _, last = name.rpartition(".")
        if (
            name in _IDENTITIES
            or last in _FORBIDDEN.get(owner, ())
            or (owner == "random" and last not in ("Random", "SystemRandom"))
        ):
            yield node.lineno, name


def _zero(call: ast.Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def test_there_is_something_to_look_at() -> None:
    looked_at = {path.relative_to(ROOT).parts[0] for path in modules()}
    assert looked_at == set(_SHELVES)
    assert all((ROOT / name).exists() for name, _ in _EXCUSED)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_has_no_time_and_chance_of_its_own(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    found = [use for use in ambient(path.read_text()) if (name, use[1]) not in _EXCUSED]
    assert [use for use in found if use[1] not in _IDENTITIES or name.startswith(_CLUSTER)] == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "from time import monotonic as now\nnow()",
        "import asyncio\nasync def f():\n    await asyncio.sleep(1)",
        "from asyncio import timeout\ntimeout(1)",
        "import asyncio\nrun = asyncio.wait_for",
        "from datetime import datetime, UTC\ndatetime.now(UTC)",
        "import datetime as dt\ndt.datetime.utcnow()",
        "import random\nrandom.choice([1])",
        "from random import randint\nrandint(1, 2)",
        "import uuid\nuuid.uuid4()",
    ],
)
def test_check_finds(source: str) -> None:
    assert len(list(ambient(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "world.clock.sleep(1)",
        "from random import Random\nRandom(1).choice([1])",
        "import asyncio\nasyncio.Event()",
        "import asyncio\nasyncio.sleep(0)",
        "import datetime\ndatetime.datetime.fromisoformat('')",
        "import uuid\nuuid.uuid5(a, b)",
    ],
)
def test_check_lets_pass(source: str) -> None:
    assert list(ambient(source)) == []
