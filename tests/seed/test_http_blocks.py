"""The document's blocks about the HTTP server, each behind a real port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tests.seed import block
from tests.seed.serving import served_by
from tests.seed.stub import Stub

from greenroom import AgentLauncher, Runner, ServeOptions

NAMES = {"AgentLauncher": AgentLauncher, "Runner": Runner, "ServeOptions": ServeOptions}


async def test_serve_options() -> None:
    names = await block.run("serve_options", **Stub().given)
    preflight = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "Authorization"}
    async with served_by(names["runner"]) as client:
        ours = {"Origin": "https://myapp.com"}
        allowed = await client.options("/calls/one/sessions", headers={**ours, **preflight})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://myapp.com"
        assert allowed.headers["access-control-allow-credentials"] == "true"
        assert set(allowed.headers["access-control-allow-methods"].split(", ")) == {"GET", "POST", "DELETE"}
        assert "Authorization" in allowed.headers["access-control-allow-headers"]
        strange = await client.options("/calls/one/sessions", headers={"Origin": "https://evil.example", **preflight})
        assert strange.status_code == 400
        assert "access-control-allow-origin" not in strange.headers
        put = {**ours, **preflight, "Access-Control-Request-Method": "PUT"}
        assert (await client.options("/calls/one/sessions", headers=put)).status_code == 400
        started = await client.post("/calls/one/sessions", json={}, headers=ours)
        assert started.status_code == 201
        assert started.headers["access-control-allow-origin"] == "https://myapp.com"


@dataclass
class Account:
    may_start: bool = True
    calls: tuple[str, ...] = ()

    def has_permission(self, name: str) -> bool:
        return name == "start_session" and self.may_start

    def can_access_call(self, call_id: str) -> bool:
        return call_id in self.calls


async def validate_token(authorization: str) -> Account:
    return {"Bearer owner": Account(calls=("mine",)), "Bearer guest": Account(may_start=False)}[authorization]


async def test_permission_callbacks() -> None:
    names = await block.run("permission_callbacks", **NAMES, **Stub().given, validate_token=validate_token)
    owner, guest = {"Authorization": "Bearer owner"}, {"Authorization": "Bearer guest"}
    async with served_by(names["runner"]) as client:
        nobody = await client.post("/calls/mine/sessions", json={})
        assert (nobody.status_code, nobody.json()) == (401, {"detail": "Authorization required"})
        refused = await client.post("/calls/mine/sessions", json={}, headers=guest)
        assert (refused.status_code, refused.json()) == (403, {"detail": "Permission denied"})
        started = await client.post("/calls/mine/sessions", json={}, headers=owner)
        assert started.status_code == 201
        mine = f"/calls/mine/sessions/{started.json()['session_id']}"
        for close in (client.delete, client.post):
            path = mine if close == client.delete else f"{mine}/close"
            assert (await close(path)).status_code == 401
            denied = await close(path, headers=guest)
            assert (denied.status_code, denied.json()) == (403, {"detail": "Cannot close this session"})
        assert (await client.get(mine)).status_code == 200, "viewing is allowed to all, as the document says"
        assert (await client.delete(mine, headers=owner)).status_code == 202


async def test_the_default_app_is_customised() -> None:
    names = await block.run("default_app", **NAMES, **Stub().given)
    async with served_by(names["runner"]) as client:
        assert (await client.get("/custom")).json() == {"message": "Custom endpoint"}
        document = await client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
        assert document.headers["content-encoding"] == "gzip", "more than 1,000 bytes are compressed"
        assert "/custom" in document.json()["paths"]
        small = await client.get("/custom", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in small.headers
        assert (await client.post("/calls/one/sessions", json={})).status_code == 201


async def test_a_custom_instance_is_used_as_it_is() -> None:
    names = await block.run("custom_instance", **NAMES, **Stub().given)
    runner = names["runner"]
    assert runner.fast_api is names["app"]
    async with served_by(runner) as client:
        assert (await client.get("/custom")).json() == {"message": "Custom endpoint"}
        described = (await client.get("/openapi.json")).json()
        assert described["info"]["title"] == "My Agent Server"
        assert list(described["paths"]) == ["/custom"], "no default endpoint is registered"
        assert (await client.get("/health")).status_code == 404
        asked = await client.get("/custom", headers={"Origin": "https://myapp.com"})
        assert "access-control-allow-origin" not in asked.headers, "no CORS settings are applied"


async def test_a_custom_instance_can_be_assembled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document leaves that to the user; router, lifespan and checks are there for it."""
    from greenroom.serve import lifespan, router

    stub = Stub()
    names: dict[str, Any] = await block.run("custom_instance", **NAMES, **stub.given)
    app = names["app"]
    app.include_router(router)
    app.router.lifespan_context = lifespan
    async with served_by(names["runner"]) as client:
        assert (await client.get("/ready")).status_code == 200
        started = await client.post("/calls/one/sessions", json={"call_type": "livestream"})
        assert started.status_code == 201
        assert stub.joined == [("livestream", "one")]
        assert app.state.launcher is names["runner"].launcher
    assert all(agent.closed for agent in stub.agents), "the lifespan stops the launcher"
