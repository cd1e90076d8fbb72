"""The page at /talk as a client gets it: its files, the policy it is sent with, relays, who may see them."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Header, HTTPException
from tests.unit.serve.rig import application, client, files

from greenroom.options import ServeOptions
from greenroom.serve import talk_router
from greenroom_api import talk
from greenroom_api.app import create_app
from greenroom_api.settings import TurnSettings
from greenroom_core.settings import BadSetting, load

NONE = TurnSettings()
TURN = TurnSettings("turn:relay.example:3478, turns:relay.example", "name", "secret")
PLACES = [f"/talk/{name}" for name in ("talk.js", "call.js", "meter.js", "talk.css", "icon.svg")]


def served(turn: TurnSettings = NONE, **options: Any) -> httpx.AsyncClient:
    app, _ = application(files(), ServeOptions(**options))
    talk.install(app, turn)
    return client(app)


@pytest.mark.parametrize("path", ["/talk", *PLACES])
async def test_every_file_comes_with_the_policy(path: str) -> None:
    async with served() as http:
        answer = await http.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["permissions-policy"] == "microphone=(self), camera=(self)"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/talk", "text/html"),
        ("/talk/talk.js", "javascript"),
        ("/talk/talk.css", "text/css"),
        ("/talk/icon.svg", "svg"),
    ],
)
async def test_kinds(path: str, kind: str) -> None:
    async with served() as http:
        assert kind in (await http.get(path)).headers["content-type"]


async def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    async with served() as http:
        html = (await http.get("/talk")).text
        addresses = re.findall(r'(?:src|href)="([^"]*)"', html)
        assert all(address.startswith("talk/") for address in addresses), "relative, so a prefix before it stays"
        for address in addresses:
            assert (await http.get(f"/{address}")).status_code == 200
    assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=", html)


async def test_all_modules_are_there() -> None:
    async with served() as http:
        wanted = {"talk.js"}
        seen: set[str] = set()
        while wanted - seen:
            name = (wanted - seen).pop()
            answer = await http.get(f"/talk/{name}")
            assert answer.status_code == 200, name
            seen.add(name)
            wanted |= set(re.findall(r'["\']\./([\w.]+)["\']', answer.text))
            wanted |= set(re.findall(r'URL\("([\w.]+\.js)", import\.meta', answer.text))
    assert "meter.js" in seen


@pytest.mark.parametrize("name", ["index.html", "__init__.py", "..%2f..%2fsettings.py", "nothing.js"])
async def test_nothing_else(name: str) -> None:
    async with served() as http:
        assert (await http.get(f"/talk/{name}")).status_code == 404


async def test_it_has_one_address_below_any_prefix() -> None:
    async with served() as http:
        answer = await http.get("/talk/?call=room")
    assert (answer.status_code, answer.headers["location"]) == (307, "../talk?call=room")


async def test_relays() -> None:
    async with served(TURN) as http:
        answer = await http.get("/talk/settings/room")
        assert answer.json() == {
            "ice_servers": [
                {
                    "urls": ["turn:relay.example:3478", "turns:relay.example"],
                    "username": "name",
                    "credential": "secret",
                }
            ]
        }
        assert (await http.get("/talk/settings/Not%20a%20call")).status_code == 400
    async with served() as http:
        assert (await http.get("/talk/settings/room")).json() == {"ice_servers": []}


async def test_what_only_tells_an_address_needs_no_password() -> None:
    async with served(TurnSettings("stun:stun.example")) as http:
        assert (await http.get("/talk/settings/room")).json() == {"ice_servers": [{"urls": ["stun:stun.example"]}]}


async def test_a_relay_without_a_password_is_one_sentence() -> None:
    with pytest.raises(BadSetting, match="GREENROOM_TURN_USERNAME and _CREDENTIAL must be set"):
        served(TurnSettings("turn:relay.example", "name"))


async def test_relays_are_for_those_who_may_start_a_session() -> None:
    def can_start_session(call_id: str, authorization: str = Header("")) -> None:
        if authorization != f"Bearer {call_id}":
            raise HTTPException(401, "Authorization required")

    async with served(TURN, can_start_session=can_start_session) as http:
        assert (await http.get("/talk")).status_code == 200, "the files are for all"
        assert (await http.get("/talk/settings/room")).status_code == 401
        assert (await http.get("/talk/settings/room", headers={"Authorization": "Bearer room"})).status_code == 200
        assert (await http.post("/calls/room/sessions")).status_code == 401


async def test_the_users_own_routes_go_before_it() -> None:
    app, _ = application(files())

    @app.get("/talk")
    async def mine() -> str:
        return "mine"

    talk.install(app, TURN)
    async with client(app) as http:
        assert (await http.get("/talk")).json() == "mine"


async def test_nothing_is_added_to_an_application_of_ones_own() -> None:
    own = FastAPI()
    application(files(), ServeOptions(fast_api=own))
    talk.install(own, TURN)
    async with client(own) as http:
        assert (await http.get("/talk")).status_code == 404
    own.include_router(talk_router(), prefix="/agents")
    async with client(own) as http:
        assert (await http.get("/agents/talk")).status_code == 200
        assert (await http.get("/agents/talk/settings/room")).status_code == 200


async def test_it_is_no_part_of_the_api_or_its_document() -> None:
    app = create_app(SimpleNamespace(gauges=dict))  # type: ignore[arg-type]
    async with client(app) as http:
        assert (await http.get("/talk")).status_code == 404, "unless it is asked for"
    talk.install(app, TURN)
    assert not [path for path in app.openapi()["paths"] if "talk" in path]


@pytest.mark.parametrize("url", ["relay.example", "https://relay.example", "turn:a, b"])
def test_what_is_no_relay_is_one_sentence(url: str) -> None:
    with pytest.raises(BadSetting, match=r"GREENROOM_TURN_URL=.* is not allowed: turn:, turns: or stun: addresses"):
        load(TurnSettings, "api", (), {"GREENROOM_TURN_URL": url})
