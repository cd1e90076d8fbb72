"""The HTTP side of an agent file: `serve` over this process's launcher, `api` over a cluster.

Both answer with the same FastAPI application, which a Runner makes once with :func:`fast_api`. Whoever brings an
application of their own assembles it from `router`, `lifespan` and the `can_…` dependencies:

    app = FastAPI(lifespan=lifespan)
    app.include_router(router)

Needs the extra `api`; nothing else of the library imports this package before it is used.
"""

from __future__ import annotations

from greenroom.serve.application import fast_api, talk_router
from greenroom.serve.backend import LocalBackend
from greenroom.serve.programs import api, serve
from greenroom_api.app import lifespan, router
from greenroom_api.dependencies import (
    can_close_session,
    can_list_sessions,
    can_start_session,
    can_view_metrics,
    can_view_session,
)

__all__ = [
    "LocalBackend",
    "api",
    "can_close_session",
    "can_list_sessions",
    "can_start_session",
    "can_view_metrics",
    "can_view_session",
    "fast_api",
    "lifespan",
    "router",
    "serve",
    "talk_router",
]
