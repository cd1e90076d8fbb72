"""Which sessions there are on all nodes, and the stores for them.

`RedisSessionKVStore` is here, too, if the package redis is; `import *` leaves it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom.registry.info import SessionInfo
from greenroom.registry.memory import InMemorySessionKVStore
from greenroom.registry.registry import SessionRegistry
from greenroom.registry.store import Entry, SessionKVStore, StoreUnavailable

if TYPE_CHECKING:
    from greenroom.registry.redis import RedisSessionKVStore as RedisSessionKVStore

__all__ = [
    "Entry",
    "InMemorySessionKVStore",
    "SessionInfo",
    "SessionKVStore",
    "SessionRegistry",
    "StoreUnavailable",
]


def __getattr__(name: str) -> Any:
    if name != "RedisSessionKVStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from greenroom.registry.redis import RedisSessionKVStore
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise AttributeError(str(error)) from error
    return RedisSessionKVStore
