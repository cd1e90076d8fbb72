"""Greenroom's library: what an agent file imports. Names are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenroom.agent import Agent, User
    from greenroom.launcher import AgentLauncher
    from greenroom.options import ServeOptions
    from greenroom.runner import Runner
    from greenroom.session import AgentSession

__all__ = ["Agent", "AgentLauncher", "AgentSession", "Runner", "ServeOptions", "User"]

_HOMES = {
    "Agent": "greenroom.agent",
    "AgentLauncher": "greenroom.launcher",
    "AgentSession": "greenroom.session",
    "Runner": "greenroom.runner",
    "ServeOptions": "greenroom.options",
    "User": "greenroom.agent",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'greenroom' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
