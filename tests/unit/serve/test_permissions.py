"""Who may do what: checks as FastAPI dependencies, and which browsers' pages may ask."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import Depends, Header, HTTPException, Request
from tests.unit.runtime.stories import story
from tests.unit.serve.rig import serving

from greenroom.options import ServeOptions

ROUTES = [
    ("can_start_session", "POST", "/calls/room/sessions"),
    ("can_close_session", "DELETE", "/calls/room/sessions/s"),
    ("can_close_session", "POST", "/calls/room/sessions/s/close"),
    ("can_view_session", "GET", "/calls/room/sessions/s"),
    ("can_view_session", "GET", "/calls/room/sessions/s/answer"),
    ("can_view_session", "GET", "/calls/room/sessions"),
    ("can_view_metrics", "GET", "/calls/room/sessions/s/metrics"),
    ("can_list_sessions", "GET", "/sessions"),
]
DENIED = (403, {"detail": "Permission denied"})


async def said_no(call_id: str = "") -> bool:
    return False


def said_no_in_a_thread(call_id: str = "") -> bool:
    return False


class SaysNo:
    async def __call__(self) -> bool:
        return False


async def user(authorization: Annotated[str | None, Header()] = None) -> str:
    if authorization is None:
        raise HTTPException(401, "Authorization required")
    return authorization.removeprefix("Bearer ")


@pytest.mark.parametrize("check", [said_no, said_no_in_a_thread, SaysNo()], ids=["async", "sync", "object"])
@pytest.mark.parametrize(("name", "method", "path"), ROUTES)
async def test_false_denies(name, method, path, check):
    async with serving(options=ServeOptions(**{name: check})) as server:
        answer = await server.http.request(method, path)
        assert (answer.status_code, answer.json()) == DENIED
        assert not server.launcher.sessions


@pytest.mark.parametrize(("name", "method", "path"), ROUTES)
@story
async def test_an_exception_denies_as_it_says(name, method, path):
    async def check() -> bool:
        raise HTTPException(status_code=402, detail="Pay first", headers={"X-Price": "1"})

    async with serving(options=ServeOptions(**{name: check})) as server:
        answer = await server.http.request(method, path)
        assert (answer.status_code, answer.json(), answer.headers["x-price"]) == (402, {"detail": "Pay first"}, "1")


@story
async def test_an_error_of_the_checks_own_allows_nothing():
    async def check() -> bool:
        raise KeyError("tenant")

    async with serving(options=ServeOptions(can_start_session=check)) as server:
        assert (await server.http.post("/calls/room/sessions")).status_code == 500
        assert not server.launcher.sessions


@pytest.mark.parametrize("value", [True, None, "yes"])
@story
async def test_anything_but_false_allows(value):
    async def check():
        return value

    async with serving(options=ServeOptions(can_start_session=check)) as server:
        assert (await server.http.post("/calls/room/sessions")).status_code == 201


@story
async def test_a_check_sees_the_call_id_headers_and_dependencies_of_its_own():
    seen = []

    async def check(call_id: str, name: Annotated[str, Depends(user)], request: Request) -> bool:
        seen.append((call_id, name, request.method))
        return name == "ann"

    async with serving(options=ServeOptions(can_start_session=check)) as server:
        path = "/calls/room/sessions"
        answer = await server.http.post(path)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Authorization required"})
        answer = await server.http.post(path, headers={"Authorization": "Bearer bob"})
        assert (answer.status_code, answer.json()) == DENIED
        assert (await server.http.post(path, headers={"Authorization": "Bearer ann"})).status_code == 201
        assert seen == [("room", "bob", "POST"), ("room", "ann", "POST")]


@story
async def test_a_malformed_call_id_reaches_no_check_and_a_check_comes_before_the_body():
    seen = []

    async def check(call_id: str) -> bool:
        seen.append(call_id)
        return False

    async with serving(options=ServeOptions(can_start_session=check)) as server:
        assert (await server.http.post("/calls/Room/sessions")).status_code == 400
        assert (await server.http.post("/calls/room/sessions", content=b"nonsense")).status_code == 403
        assert seen == ["room"]


@story
async def test_a_check_may_name_the_caller_whose_keys_these_are():
    async def check(request: Request, x_user: Annotated[str, Header()]) -> None:
        request.state.caller = x_user

    async with serving(options=ServeOptions(can_start_session=check)) as server:
        ids = set()
        for user in ("ann", "bob", "ann"):
            headers = {"X-User": user, "Idempotency-Key": "1"}
            ids.add((await server.http.post("/calls/room/sessions", headers=headers)).json()["session_id"])
        assert len(ids) == 2


@pytest.mark.parametrize("name", ["can_start_session", "can_close_session", "can_view_session", "can_view_metrics"])
@story
async def test_with_any_check_the_listing_of_all_calls_is_closed_unless_it_has_its_own(name):
    async def allow() -> bool:
        return True

    async with serving(options=ServeOptions(**{name: allow})) as server:
        answer = await server.http.get("/sessions")
        assert (answer.status_code, answer.json()) == DENIED
    async with serving(options=ServeOptions(**{name: allow}, can_list_sessions=allow)) as server:
        assert (await server.http.get("/sessions")).status_code == 200


@story
async def test_checks_stand_in_the_openapi_document_with_what_they_read():
    async def check(call_id: str, authorization: Annotated[str, Header(description="who you are")]) -> bool:
        return True

    async with serving(options=ServeOptions(can_start_session=check)) as server:
        paths = (await server.http.get("/openapi.json")).json()["paths"]
        start = paths["/calls/{call_id}/sessions"]["post"]
        names = [parameter["name"] for parameter in start["parameters"]]
        assert sorted(names) == ["Idempotency-Key", "Prefer", "authorization", "call_id"]
        assert "401" in start["responses"]
        look = paths["/calls/{call_id}/sessions/{session_id}"]["get"]
        assert [parameter["name"] for parameter in look["parameters"]] == ["call_id", "session_id"]
        assert "401" not in look["responses"]


# --- CORS ---

PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.mark.parametrize("options", [ServeOptions(), ServeOptions(cors_allow_origins=["https://a.com", "*"])])
@story
async def test_any_origin_may_ask_but_never_with_credentials(options):
    async with serving(options=options) as server:
        for headers in ({}, {"Cookie": "session=1"}):
            answer = await server.http.get("/health", headers={"Origin": "https://evil.com", **headers})
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in answer.headers
        answer = await server.http.options("/sessions", headers={"Origin": "https://evil.com", **PREFLIGHT})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


@story
async def test_named_origins_may_come_with_credentials_and_others_not_at_all():
    options = ServeOptions(
        cors_allow_origins=["https://myapp.com"],
        cors_allow_methods=["GET", "POST", "DELETE"],
        cors_allow_headers=["Authorization"],
        cors_allow_credentials=True,
    )
    async with serving(options=options) as server:
        answer = await server.http.options("/sessions", headers={"Origin": "https://myapp.com", **PREFLIGHT})
        assert answer.headers["access-control-allow-origin"] == "https://myapp.com"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
        answer = await server.http.options("/sessions", headers={"Origin": "https://evil.com", **PREFLIGHT})
        assert answer.status_code == 400
        answer = await server.http.get("/health", headers={"Origin": "https://evil.com"})
        assert "access-control-allow-origin" not in answer.headers


@story
async def test_credentials_can_be_turned_off_for_named_origins():
    options = ServeOptions(cors_allow_origins=["https://myapp.com"], cors_allow_credentials=False)
    async with serving(options=options) as server:
        answer = await server.http.get("/health", headers={"Origin": "https://myapp.com"})
        assert answer.headers["access-control-allow-origin"] == "https://myapp.com"
        assert "access-control-allow-credentials" not in answer.headers
