"""Models of a process: loaded once, whoever asks first, and shared."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

_GUARD = threading.Lock()
_LOCKS: defaultdict[Hashable, threading.Lock] = defaultdict(threading.Lock)
_MODELS: dict[Hashable, object] = {}


def shared(key: Hashable, load: Callable[[], T]) -> T:
    """The model of `key`, loaded if nobody did. Blocks while it loads: call it in a thread."""
    with _GUARD:
        lock = _LOCKS[key]
    with lock:
        if key not in _MODELS:
            _MODELS[key] = load()
        return cast("T", _MODELS[key])
