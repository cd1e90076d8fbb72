"""Which sessions there are, for those who hold only their ids."""

from __future__ import annotations

from greenroom.registry.info import SessionInfo
from greenroom.registry.registry import SessionRegistry

__all__ = ["SessionInfo", "SessionRegistry"]
