"""Greenroom's library: what an agent file imports. Names are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from greenroom_core.first_process import heed_sigterm

if TYPE_CHECKING:
    from greenroom.agent import Agent, User
    from greenroom.checkpoints import CheckpointStore
    from greenroom.checkpoints.redis import RedisCheckpoints as RedisCheckpoints
    from greenroom.errors import MaxConcurrentSessionsExceeded, MaxSessionsPerCallExceeded, SessionLimitExceeded
    from greenroom.launcher import AgentLauncher
    from greenroom.observability import AgentMetrics, MetricsCollector
    from greenroom.options import ServeOptions
    from greenroom.registry import InMemorySessionKVStore, SessionInfo, SessionKVStore, SessionRegistry
    from greenroom.registry.redis import RedisSessionKVStore as RedisSessionKVStore
    from greenroom.runner import Runner
    from greenroom.session import AgentSession
    from greenroom.warmup import Warmable, WarmupCache

# RedisSessionKVStore and RedisCheckpoints are here as well, where the package redis is.
__all__ = [
    "Agent",
    "AgentLauncher",
    "AgentMetrics",
    "AgentSession",
    "CheckpointStore",
    "InMemorySessionKVStore",
    "MaxConcurrentSessionsExceeded",
    "MaxSessionsPerCallExceeded",
    "MetricsCollector",
    "Runner",
    "ServeOptions",
    "SessionInfo",
    "SessionKVStore",
    "SessionLimitExceeded",
    "SessionRegistry",
    "User",
    "Warmable",
    "WarmupCache",
]

_HOMES = {
    "Agent": "greenroom.agent",
    "AgentLauncher": "greenroom.launcher",
    "AgentMetrics": "greenroom.observability",
    "AgentSession": "greenroom.session",
    "CheckpointStore": "greenroom.checkpoints",
    "InMemorySessionKVStore": "greenroom.registry",
    "MaxConcurrentSessionsExceeded": "greenroom.errors",
    "MaxSessionsPerCallExceeded": "greenroom.errors",
    "MetricsCollector": "greenroom.observability",
    "RedisCheckpoints": "greenroom.checkpoints.redis",
    "RedisSessionKVStore": "greenroom.registry.redis",
    "Runner": "greenroom.runner",
    "ServeOptions": "greenroom.options",
    "SessionInfo": "greenroom.registry",
    "SessionKVStore": "greenroom.registry",
    "SessionLimitExceeded": "greenroom.errors",
    "SessionRegistry": "greenroom.registry",
    "User": "greenroom.agent",
    "Warmable": "greenroom.warmup",
    "WarmupCache": "greenroom.warmup",
}

# Agent files import for seconds before they run anything.
heed_sigterm()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'greenroom' has no attribute {name!r}")
    try:
        value = getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name == "redis":  # without its package that store is simply not there
            raise AttributeError(str(error)) from error
        raise
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
