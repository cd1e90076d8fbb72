"""What an agent leaves for its session's next attempt: its form, and a store for what a crash must not take along.

`RedisCheckpoints` is here, too, if the package redis is; `import *` leaves it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom.checkpoints.store import CheckpointStore
from greenroom_core.model.session import Checkpoint

if TYPE_CHECKING:
    from greenroom.checkpoints.redis import RedisCheckpoints as RedisCheckpoints

__all__ = ["Checkpoint", "CheckpointStore"]


def __getattr__(name: str) -> Any:
    if name != "RedisCheckpoints":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from greenroom.checkpoints.redis import RedisCheckpoints
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise AttributeError(str(error)) from error
    return RedisCheckpoints
