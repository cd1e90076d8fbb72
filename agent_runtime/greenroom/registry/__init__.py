"""Which sessions there are on all nodes, and the stores for them; that on Redis is in `greenroom.registry.redis`."""

from __future__ import annotations

from greenroom.registry.info import SessionInfo
from greenroom.registry.memory import InMemorySessionKVStore
from greenroom.registry.registry import SessionRegistry
from greenroom.registry.store import Entry, SessionKVStore, StoreUnavailable

__all__ = [
    "Entry",
    "InMemorySessionKVStore",
    "SessionInfo",
    "SessionKVStore",
    "SessionRegistry",
    "StoreUnavailable",
]
