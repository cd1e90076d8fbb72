"""The page at /talk, where one speaks with an agent: its files and what it has to know. The call itself goes through
the same routes as anybody's, and its sound past this program, from browser to pod.

It knows neither agents nor sessions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from greenroom_api.dependencies import Permissions, asked_of
from greenroom_api.routes.answers import json_answer
from greenroom_api.routes.route import CallRoute
from greenroom_core.settings import BadSetting

if TYPE_CHECKING:
    from fastapi import FastAPI

    from greenroom_api.settings import TurnSettings

_FOLDER = Path(__file__).parent
_ASSETS = frozenset(path.name for path in _FOLDER.iterdir() if path.suffix in (".css", ".js", ".svg"))

_POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        *(f"{what} 'none'" for what in ("base-uri", "form-action", "frame-ancestors")),
    )
)
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Permissions-Policy": "microphone=(self), camera=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def install(app: FastAPI, turn: TurnSettings) -> None:
    """Adds the page to an application that `create_app` made: what its user has put at these paths goes before it, and
    to an application of somebody's own nothing is added."""
    permissions = getattr(app.state, "permissions", None)
    if permissions is not None:
        app.include_router(router(turn, permissions))


def router(turn: TurnSettings, may: Permissions | None = None) -> APIRouter:
    """The page's routes, for any application that has the sessions' routes beside them, below any prefix.

    Its files are for all; the relays, which may have a password, for those who may start a session.
    """
    routes = APIRouter(include_in_schema=False)
    servers = ice_servers(turn)

    async def settings() -> Response:
        return json_answer({"ice_servers": servers})

    routes.add_api_route("/talk", page)
    routes.add_api_route("/talk/", without_slash)
    routes.add_api_route("/talk/{name}", asset)
    routes.add_api_route(
        "/talk/settings/{call_id}",
        settings,
        dependencies=asked_of((may or Permissions()).can_start_session),
        route_class_override=CallRoute,
    )
    return routes


def ice_servers(turn: TurnSettings) -> list[dict[str, Any]]:
    """As a browser's RTCPeerConnection takes them. Raises BadSetting for a relay without a name and a password."""
    if not turn.turn_url:
        return []
    server: dict[str, Any] = {"urls": [url.strip() for url in turn.turn_url.split(",")]}
    if turn.turn_username and turn.turn_credential:
        server |= {"username": turn.turn_username, "credential": turn.turn_credential}
    elif "turn" in turn.turn_url:
        raise BadSetting("GREENROOM_TURN_URL names a relay, so GREENROOM_TURN_USERNAME and _CREDENTIAL must be set")
    return [server]


async def page() -> Response:
    return FileResponse(_FOLDER / "index.html", headers=_HEADERS)


async def without_slash(request: Request) -> Response:
    """The page finds everything relative to its own address, so it has only one."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"../talk{query}", headers=_HEADERS)


async def asset(name: str) -> Response:
    if name not in _ASSETS:
        raise HTTPException(404)
    return FileResponse(_FOLDER / name, headers=_HEADERS)
