"""What a user may set about the HTTP side of an agent file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def allow_all() -> bool:
    """The permission check that stands until another is given."""
    return True


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """CORS settings, permission checks (FastAPI dependencies that may take `call_id`), or an app of one's own."""

    fast_api: Any = None
    cors_allow_origins: Sequence[str] = ("*",)
    cors_allow_methods: Sequence[str] = ("*",)
    cors_allow_headers: Sequence[str] = ("*",)
    cors_allow_credentials: bool = True
    can_start_session: Callable[..., Any] = allow_all
    can_close_session: Callable[..., Any] = allow_all
    can_view_session: Callable[..., Any] = allow_all
    can_view_metrics: Callable[..., Any] = allow_all
