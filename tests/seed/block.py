"""The document's Python blocks as code that runs: each file of `blocks/` is one, with only its imports changed.

What a block leaves undefined is given to it; a block that awaits at its top level runs as a coroutine's body would.
"""

from __future__ import annotations

import ast
import inspect
import types
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("blocks")


def source(name: str) -> str:
    return (FOLDER / f"{name}.py").read_text()


async def run(name: str, **given: Any) -> dict[str, Any]:
    """Runs the block with the names in `given`; returns the names that stand after it."""
    code = compile(source(name), f"{name}.py", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    names: dict[str, Any] = {"__name__": name, **given}
    if code.co_flags & inspect.CO_COROUTINE:
        await types.FunctionType(code, names)()
    else:
        exec(code, names)
    return names
