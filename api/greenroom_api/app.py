"""Puts the application together: routes, middleware, documents, the backend's life."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response

from greenroom_api import openapi, problems
from greenroom_api.audit import Audited, where
from greenroom_api.dependencies import Permissions
from greenroom_api.headers import Guarded
from greenroom_api.instruments import Counted, Instruments
from greenroom_api.routes import docs, listing, probes, sessions
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_api.auth import CloseTokens
    from greenroom_api.backend import SessionBackend
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.api.app")


def add_routes(to: APIRouter, permissions: Permissions, *, direct: bool = False) -> None:
    """Every route that clients and the platform use; `direct` as in :func:`sessions.add_routes`."""
    sessions.add_routes(to, permissions, direct=direct)
    listing.add_routes(to, permissions)
    probes.add_routes(to)


router = APIRouter()
"""All routes, allowed to all, for applications that somebody else puts together."""
add_routes(router, Permissions())


def equip(app: FastAPI, backend: SessionBackend, instruments: Instruments | None = None) -> None:
    """Gives an application what the routes and `lifespan` look for in its state."""
    app.state.backend = backend
    app.state.backend_entered = False
    app.state.leaving = False
    app.state.instruments = instruments or Instruments()
    app.state.instruments.observe_gauges(lambda: app.state.backend.gauges())


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Enters and leaves `app.state.backend`, unless that has been seen to."""
    if app.state.backend_entered:
        yield
        return
    async with app.state.backend:
        app.state.backend_entered = True
        try:
            yield
        finally:
            app.state.backend_entered = False


def create_app(
    backend: SessionBackend,
    *,
    permissions: Permissions | None = None,
    instruments: Instruments | None = None,
    clock: Clock | None = None,
    close_tokens: CloseTokens | None = None,
) -> FastAPI:
    """The application over a backend that has not been entered yet. With `close_tokens` each start is answered with
    the one of its session."""
    app = FastAPI(
        title="Greenroom",
        version=version("greenroom"),
        description="Starts AI agents on calls, and tells of them.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    equip(app, backend, instruments)
    app.state.permissions = permissions or Permissions()
    app.state.close_tokens = close_tokens
    add_routes(app.router, app.state.permissions, direct=True)
    app.include_router(docs.router)
    app.add_middleware(Audited)
    app.add_middleware(Guarded)
    app.add_middleware(Counted, instruments=app.state.instruments, clock=clock or SystemClock())
    app.add_exception_handler(Exception, _bug)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


async def _bug(request: Request, error: Exception) -> Response:
    """An error of our own: told in full to the log, not at all to the client."""
    logger.error("%s failed", where(request.scope), exc_info=error)
    return JSONResponse({"detail": "Internal Server Error"}, 500)


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=f"{app.description}\n\n{openapi.BEFORE_ANY}",
            routes=app.routes,
            openapi_version=openapi.VERSION,
        )
        if app.state.close_tokens is not None:  # a doorkeeper of ours: what others ask for is theirs to tell
            document = openapi.guarded(document, problems.described(429))
        app.openapi_schema = openapi.as_3_0(openapi.with_retry_after(openapi.without_repeats(document)))
    return app.openapi_schema
