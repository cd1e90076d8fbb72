"""What a user may set about the HTTP side of an agent file.

It needs no web framework: an agent file that names its options also runs in a pod that serves nothing.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SWITCHES = {"true": True, "1": True, "false": False, "0": False}


def allow_all() -> bool:
    """The permission check that stands until another is given."""
    return True


def _listed(name: str) -> Any:
    """A field that is a list of texts; its variable holds a JSON list, or texts between commas."""

    def read() -> Any:
        raw = _variable(name)
        if raw is None:
            return ("*",)
        if not raw.lstrip().startswith("["):
            return tuple(part.strip() for part in raw.split(",") if part.strip())
        try:
            return json.loads(raw)
        except ValueError as error:
            raise ValueError(f"{_named(name)} is not a JSON list: {raw!r}") from error

    return field(default_factory=read)


def _switch(name: str) -> Any:
    """A field that is true unless its variable says otherwise."""

    def read() -> bool:
        raw = _variable(name)
        if raw is None:
            return True
        if raw.lower() not in _SWITCHES:
            raise ValueError(f"{_named(name)} must be true or false, not {raw!r}")
        return _SWITCHES[raw.lower()]

    return field(default_factory=read)


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """CORS settings, permission checks, or a FastAPI application of one's own.

    The `can_…` checks are FastAPI dependencies, sync or async, that may take `call_id`; an exception or False denies.
    `can_list_sessions` guards the listing of all calls: None allows it only while no other check is given. With the
    origin `*` credentials are never allowed, whatever `cors_allow_credentials` says. With `ready_when_full` False,
    `/ready` is 503 while the launcher's `max_concurrent_sessions` is reached. `talk_page`: whether `serve` has the page
    /talk, where one speaks with the agent.

    What is not given here is taken from GREENROOM_CORS_ALLOW_ORIGINS, …_METHODS, …_HEADERS, …_CREDENTIALS,
    GREENROOM_READY_WHEN_FULL and GREENROOM_TALK_PAGE. Raises ValueError with one sentence for what cannot be used.
    """

    fast_api: Any = None
    cors_allow_origins: Sequence[str] = _listed("cors_allow_origins")
    cors_allow_methods: Sequence[str] = _listed("cors_allow_methods")
    cors_allow_headers: Sequence[str] = _listed("cors_allow_headers")
    cors_allow_credentials: bool = _switch("cors_allow_credentials")
    can_start_session: Callable[..., Any] = allow_all
    can_close_session: Callable[..., Any] = allow_all
    can_view_session: Callable[..., Any] = allow_all
    can_view_metrics: Callable[..., Any] = allow_all
    can_list_sessions: Callable[..., Any] | None = None
    ready_when_full: bool = _switch("ready_when_full")
    talk_page: bool = _switch("talk_page")

    def __post_init__(self) -> None:
        for name in ("cors_allow_origins", "cors_allow_methods", "cors_allow_headers"):
            object.__setattr__(self, name, _texts(name, getattr(self, name)))
        for name in ("cors_allow_credentials", "ready_when_full", "talk_page"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise ValueError(f"{name} must be True or False, not {value!r}")
        for name in ("can_start_session", "can_close_session", "can_view_session", "can_view_metrics"):
            _check_callable(name, getattr(self, name))
        if self.can_list_sessions is not None:
            _check_callable("can_list_sessions", self.can_list_sessions)
        if self.fast_api is not None:
            _check_application(self.fast_api)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    fits = isinstance(value, list | tuple | set | frozenset) and all(isinstance(item, str) and item for item in value)
    if not fits:
        raise ValueError(f"{name} must be a list of texts, not {value!r}")
    return tuple(value)


def _check_callable(name: str, value: Any) -> None:
    if not callable(value):
        raise ValueError(f"{name} must be a function that FastAPI can call as a dependency, not {value!r}")


def _check_application(value: Any) -> None:
    from fastapi import FastAPI

    if not isinstance(value, FastAPI):
        raise ValueError(f"fast_api must be a FastAPI application, not {value!r}")


def _variable(name: str) -> str | None:
    return os.environ.get(_named(name))


def _named(name: str) -> str:
    return f"GREENROOM_{name.upper()}"
