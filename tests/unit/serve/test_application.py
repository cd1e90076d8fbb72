"""The default application that users add to, and applications of their own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.middleware.gzip import GZipMiddleware
from tests.unit.api.test_client_gone import Client
from tests.unit.runtime.stories import story
from tests.unit.serve.rig import application, client, files, serving

from greenroom.options import ServeOptions
from greenroom.serve import can_start_session, lifespan, router
from greenroom_api.server import Housed


class Host:
    """Plays the server's part in an application's start-up and end."""

    def __init__(self, app) -> None:
        self._app = Housed(app)
        self.said: list[str] = []

    async def run(self, during) -> None:
        incoming = iter(("lifespan.startup", "lifespan.shutdown"))

        async def receive():
            kind = next(incoming)
            if kind == "lifespan.shutdown":
                await during()
            return {"type": kind}

        async def send(message) -> None:
            self.said.append(message["type"])

        await self._app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


# --- the default application ---


async def test_routes_and_middleware_can_be_added():
    file = files()
    app, launcher = application(file)

    @app.get("/custom")
    def custom_endpoint():
        return {"message": "Custom endpoint" + "." * 2000}

    app.add_middleware(GZipMiddleware, minimum_size=1000)
    async with client(app) as http, lifespan(app):
        answer = await http.get("/custom", headers={"Accept-Encoding": "gzip"})
        assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")
        assert answer.json()["message"].startswith("Custom endpoint")
        assert (await http.post("/calls/room/sessions")).status_code == 201
        assert "/custom" in (await http.get("/openapi.json")).json()["paths"]
        assert len(launcher.sessions) == 1


@story
async def test_launcher_and_options_stand_in_the_applications_state():
    options = ServeOptions(ready_when_full=False)
    async with serving(options=options) as server:
        assert server.app.state.launcher is server.launcher
        assert server.app.state.options is options


@story
async def test_dependencies_can_be_overridden_as_in_any_fastapi_application():
    async def nobody() -> bool:
        return False

    async with serving() as server:
        server.app.dependency_overrides[can_start_session] = nobody
        assert (await server.http.post("/calls/room/sessions")).status_code == 403
        server.app.dependency_overrides.clear()
        assert (await server.http.post("/calls/room/sessions")).status_code == 201


@story
async def test_a_launcher_that_runs_already_is_left_to_who_started_it():
    file = files()
    app, launcher = application(file)
    async with launcher:
        async with lifespan(app):
            assert launcher.running
        assert launcher.running


# --- an application of one's own ---


@story
async def test_a_custom_application_is_used_as_it_is():
    app = FastAPI(title="My Agent Server", description="Custom agent server", version="1.0.0")

    @app.get("/custom")
    def custom_endpoint():
        return {"message": "Custom endpoint"}

    before = [getattr(route, "path", None) for route in app.routes]
    used, launcher = application(files(), ServeOptions(fast_api=app))
    assert used is app
    assert [getattr(route, "path", None) for route in app.routes] == before
    assert app.user_middleware == []
    assert app.state.launcher is launcher
    async with client(app) as http:
        assert (await http.get("/health")).status_code == 404


@story
async def test_one_assembled_from_router_and_lifespan_serves_sessions():
    app = FastAPI(lifespan=lifespan)
    app.include_router(router, prefix="/agents")
    _, launcher = application(files(), ServeOptions(fast_api=app))
    async with client(app) as http:
        seen = []

        async def during() -> None:
            answer = await http.post("/agents/calls/room/sessions")
            seen.append(answer.status_code)
            path = f"/agents/calls/room/sessions/{answer.json()['session_id']}"
            seen.append((await http.get(path)).status_code)
            seen.append((await http.get("/agents/ready")).status_code)
            accepted = await http.post("/agents/calls/room/sessions", headers={"Prefer": "respond-async"})
            seen.append((await http.get(accepted.headers["location"])).status_code)
            document = (await http.get("/openapi.json")).json()
            start = document["paths"]["/agents/calls/{call_id}/sessions"]["post"]
            body = start["requestBody"]["content"]["application/json"]["schema"]
            seen.append(body["properties"]["limits"]["type"])

        host = Host(app)
        await host.run(during)
        assert seen == [201, 200, 200, 200, "object"]
        assert host.said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert not launcher.running


@story
async def test_dependencies_that_a_router_is_included_with_guard_it():
    async def nobody() -> None:
        raise HTTPException(401, "Authorization required")

    app = FastAPI(lifespan=lifespan)
    app.include_router(router, dependencies=[Depends(nobody)])
    application(files(), ServeOptions(fast_api=app))
    async with client(app) as http, lifespan(app):
        assert (await http.post("/calls/room/sessions")).status_code == 401


@story
async def test_checks_of_the_options_guard_an_assembled_application_too():
    async def nobody() -> bool:
        return False

    app = FastAPI(lifespan=lifespan)
    app.include_router(router)
    application(files(), ServeOptions(fast_api=app, can_start_session=nobody))
    async with client(app) as http, lifespan(app):
        assert (await http.post("/calls/room/sessions")).status_code == 403
        assert (await http.get("/sessions")).status_code == 403
        assert (await http.get("/calls/room/sessions")).status_code == 200


@story
async def test_an_override_of_the_applications_own_stays():
    async def everybody() -> bool:
        return True

    async def nobody() -> bool:
        return False

    app = FastAPI(lifespan=lifespan)
    app.include_router(router)
    app.dependency_overrides[can_start_session] = everybody
    application(files(), ServeOptions(fast_api=app, can_start_session=nobody))
    async with client(app) as http, lifespan(app):
        assert (await http.post("/calls/room/sessions")).status_code == 201


@story
async def test_an_application_whose_lifespan_starts_no_launcher_gets_one_started():
    events = []

    @asynccontextmanager
    async def theirs(app):
        events.append("open")
        yield
        events.append("closed")
        assert not app.state.launcher.running, "the launcher has stopped before what it may stand on"

    app = FastAPI(lifespan=theirs)
    _, launcher = application(files(), ServeOptions(fast_api=app))

    async def during() -> None:
        assert launcher.ready
        events.append("served")

    await Host(app).run(during)
    assert events == ["open", "served", "closed"]
    assert not launcher.running


@story
async def test_an_application_that_starts_the_launcher_itself_is_not_disturbed():
    @asynccontextmanager
    async def theirs(app):
        await app.state.launcher.start()
        yield
        assert app.state.launcher.running
        await app.state.launcher.stop()

    app = FastAPI(lifespan=theirs)
    _, launcher = application(files(), ServeOptions(fast_api=app))

    async def during() -> None:
        assert launcher.ready

    host = Host(app)
    await host.run(during)
    assert host.said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert not launcher.running


@story
async def test_a_warm_up_that_fails_is_a_start_up_that_failed():
    file = files()

    async def explode() -> None:
        raise RuntimeError("no model")

    file.build = explode
    app, launcher = application(file, ServeOptions(fast_api=FastAPI()))

    async def during() -> None:
        raise AssertionError("never served")

    host = Host(app)
    with pytest.raises(RuntimeError, match="no model"):
        await host.run(during)
    assert host.said == ["lifespan.startup.failed"]
    assert not launcher.running


@story
async def test_an_application_can_be_left_and_entered_again():
    file = files()
    app, launcher = application(file)
    async with client(app) as http:
        for _ in range(2):
            async with lifespan(app):
                assert (await http.get("/ready")).status_code == 200
                assert (await http.post("/calls/room/sessions")).status_code == 201
            assert not launcher.running
            assert not launcher.sessions


@story
async def test_a_client_that_goes_away_is_noticed_behind_middleware_of_ones_own():
    file = files()
    file.build = lambda: file.clock.sleep(5)
    app, _ = application(file)
    seen = []

    @app.middleware("http")
    async def beside(request, call_next):
        request.state.caller = "ann"
        seen.append(request.url.path)
        return await call_next(request)

    async with client(app) as http, lifespan(app):
        serving = SimpleNamespace(app=app)
        gone = Client(serving, "room")  # type: ignore[arg-type]
        await file.clock.sleep(1)
        gone.hang_up()
        await asyncio.gather(gone.request, return_exceptions=True)
        await file.clock.sleep(10)
        listed = (await http.get("/sessions")).json()["sessions"]
        assert [item for item in listed if item["phase"] in ("Scheduled", "Running")] == []
        assert (await http.post("/calls/room/sessions")).status_code == 201
        assert seen[0] == "/calls/room/sessions"
