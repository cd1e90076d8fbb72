"""The FastAPI application of an agent file: the API's routes under the user's options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.middleware.cors import CORSMiddleware

from greenroom.observability import process
from greenroom.options import allow_all
from greenroom.serve.backend import LocalBackend
from greenroom_api import talk
from greenroom_api.app import create_app, equip
from greenroom_api.dependencies import Permissions
from greenroom_api.settings import TurnSettings
from greenroom_core.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter, FastAPI

    from greenroom.launcher import AgentLauncher
    from greenroom.options import ServeOptions
    from greenroom_core.clock import Clock

_DEFAULTS = Permissions()
_OF_ONE_CALL = ("can_start_session", "can_close_session", "can_view_session", "can_view_metrics")


def fast_api(launcher: AgentLauncher, options: ServeOptions, *, clock: Clock | None = None) -> FastAPI:
    """The application that `serve` and `api` run, made here or the user's own.

    On the user's own nothing is registered. It gets `state.launcher`, `state.options` and what `lifespan` and `router`
    look for, and the options' checks stand in for the router's.
    """
    backend = LocalBackend(launcher, ready_when_full=options.ready_when_full, clock=clock)
    checks = _checks(options)
    app: FastAPI
    if options.fast_api is None:
        app = create_app(backend, permissions=Permissions(**checks), clock=clock)
        _allow_origins(app, options)
    else:
        app = options.fast_api
        equip(app, backend)
        for name, check in checks.items():
            app.dependency_overrides.setdefault(getattr(_DEFAULTS, name), check)
    for figure in process.ALL:
        app.state.instruments.registry.register(figure)
    app.state.launcher = launcher
    app.state.options = options
    return app


def talk_router() -> APIRouter:
    """The page at /talk, for an application of one's own that has `router` below the same prefix; its relays come from
    GREENROOM_TURN_URL and its like. Raises BadSetting."""
    return talk.router(load(TurnSettings, "serve", ()))


def _checks(options: ServeOptions) -> dict[str, Callable[..., Any]]:
    """Those that the user has given. With any of them a listing of all calls is closed, unless it has its own."""
    given = {name: getattr(options, name) for name in _OF_ONE_CALL if getattr(options, name) is not allow_all}
    if options.can_list_sessions is not None:
        given["can_list_sessions"] = options.can_list_sessions
    elif given:
        given["can_list_sessions"] = _nobody
    return given


async def _nobody() -> bool:
    return False


def _allow_origins(app: FastAPI, options: ServeOptions) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=options.cors_allow_origins,
        allow_methods=options.cors_allow_methods,
        allow_headers=options.cors_allow_headers,
        # Any site may ask, or named sites may ask with the user's cookies; both at once would let any site act for
        # whoever is logged in.
        allow_credentials=options.cors_allow_credentials and "*" not in options.cors_allow_origins,
    )
