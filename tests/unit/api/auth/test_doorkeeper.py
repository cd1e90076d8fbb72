"""The whole application behind a gate: who gets in, who does not, and what is told of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.virtual_time import VirtualClock
from tests.unit.api.rig import rig, virtual

from greenroom_api.auth import Act, Caller, CloseTokens, Doorkeeper, Undecided, Unrecognised
from greenroom_api.auth.throttle import Throttle

if TYPE_CHECKING:
    import httpx

ANN = "token-of-ann"
VIEWER = "token-of-a-viewer"
TOKENS = CloseTokens(b"k" * 32, "default")


class Known:
    """A gate that knows two callers."""

    def __init__(self) -> None:
        self.away = False
        self.callers = {ANN: Caller("ann", frozenset(Act)), VIEWER: Caller("viewer", frozenset({Act.VIEW}))}

    async def caller(self, token: str) -> Caller:
        if self.away:
            raise Undecided("nobody at home")
        if token not in self.callers:
            raise Unrecognised("never heard of")
        return self.callers[token]

    async def may(self, caller: Caller, act: Act) -> bool:
        return act in caller.may


def keeper(gate: Known | None = None, throttle: Throttle | None = None) -> Doorkeeper:
    return Doorkeeper(gate or Known(), TOKENS, throttle)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


ROUTES = [
    ("POST", "/calls/c1/sessions"),
    ("GET", "/calls/c1/sessions"),
    ("GET", "/calls/c1/sessions/s1"),
    ("GET", "/calls/c1/sessions/s1/metrics"),
    ("GET", "/calls/c1/sessions/s1/answer"),
    ("DELETE", "/calls/c1/sessions/s1"),
    ("POST", "/calls/c1/sessions/s1/close"),
    ("GET", "/sessions"),
]


@virtual
async def test_nobody_gets_past_without_a_token() -> None:
    async with rig(keeper()) as here:
        for method, path in ROUTES:
            for headers in (
                {},
                bearer("nobody"),
                bearer(""),
                {"Authorization": f"Basic {ANN}"},
                {"Authorization": ANN},
                bearer(f"{ANN} {ANN}"),
                bearer("x" * 20_000),
                {"X-Forwarded-User": "ann", "X-Original-Authorization": f"Bearer {ANN}"},
            ):
                answer = await here.http.request(method, path, headers=headers)
                assert answer.status_code == 401, (method, path, headers)
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert ANN not in answer.text
        twice = [("Authorization", f"Bearer {ANN}"), ("Authorization", "Bearer nobody")]
        assert (await here.http.get("/sessions", headers=twice)).status_code == 401
        assert here.objects() == []


@virtual
async def test_a_caller_may_what_they_may() -> None:
    async with rig(keeper()) as here:
        for method, path in ROUTES:
            answer = await here.http.request(method, path, headers=bearer(VIEWER))
            viewing = method == "GET" and not path.endswith("/metrics") and path != "/sessions"
            assert answer.status_code in ((200, 404) if viewing else (403,)), (method, path)
        assert here.objects() == []


@virtual
async def test_probes_and_documents_ask_nobody() -> None:
    async with rig(keeper()) as here:
        for path in ("/health", "/ready", "/metrics", "/docs", "/openapi.json"):
            assert (await here.http.get(path)).status_code == 200, path


@virtual
async def test_a_malformed_call_is_refused_before_anybody_is_asked() -> None:
    gate = Known()
    gate.away = True
    async with rig(keeper(gate)) as here:
        assert (await here.http.post("/calls/NO/sessions")).status_code == 400


@virtual
async def test_whoever_cannot_be_asked_is_503() -> None:
    gate = Known()
    gate.away = True
    async with rig(keeper(gate)) as here:
        answer = await here.http.get("/sessions", headers=bearer(ANN))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


async def started(here: Any) -> httpx.Response:
    here.http.headers.update(bearer(ANN))
    posting = here.post("c1")
    await here.operator.run_at_once(await here.operator.session_of("c1"))
    answer: httpx.Response = await posting
    assert answer.status_code == 201, answer.text
    del here.http.headers["Authorization"]
    return answer


@virtual
async def test_a_close_token_closes_its_session_and_does_nothing_else() -> None:
    async with rig(keeper()) as here:
        answer = await started(here)
        token, name = answer.headers["Greenroom-Close-Token"], answer.json()["session_id"]
        session = f"/calls/c1/sessions/{name}"
        for method, path in (
            ("POST", "/calls/c1/sessions"),
            ("GET", session),
            ("DELETE", session),
            ("GET", f"{session}/metrics"),
        ):
            assert (await here.http.request(method, path, params={"token": token})).status_code == 401, path
            assert (await here.http.request(method, path, headers=bearer(token))).status_code == 401, path
        for other in (f"/calls/c2/sessions/{name}/close", "/calls/c1/sessions/another/close"):
            assert (await here.http.post(other, params={"token": token})).status_code == 401
        for bad in ("", token[:-1], token + "A", "ü", CloseTokens(b"o" * 32, "default").token("c1", name)):
            assert (await here.http.post(f"{session}/close", params={"token": bad})).status_code == 401
        assert (await here.http.post(f"{session}/close", headers=bearer(VIEWER))).status_code == 403
        beacon = {"Content-Type": "text/plain;charset=UTF-8"}
        closed = await here.http.post(f"{session}/close", params={"token": token}, headers=beacon, content=b"")
        assert closed.status_code == 202
        (body,) = here.objects()
        assert body["metadata"]["annotations"]["greenroom.dev/close-requested"]


@virtual
async def test_who_need_not_say_who_they_are_get_no_close_token() -> None:
    async with rig() as here:
        posting = here.post("c1")
        await here.operator.run_at_once(await here.operator.session_of("c1"))
        assert "Greenroom-Close-Token" not in (await posting).headers


@virtual
async def test_a_caller_who_asks_too_often_is_told_when_to_come_back() -> None:
    clock = VirtualClock()
    async with rig(keeper(throttle=Throttle(clock, per_second=0.5, burst=3))) as here:
        for _ in range(3):
            assert (await here.http.get("/sessions", headers=bearer(ANN))).status_code == 200
        slow = await here.http.get("/sessions", headers=bearer(ANN))
        assert (slow.status_code, slow.headers["Retry-After"]) == (429, "2")
        assert (await here.http.get("/calls/c1/sessions", headers=bearer(VIEWER))).status_code == 200, "another's rate"
        await clock.sleep(2.0)
        assert (await here.http.get("/sessions", headers=bearer(ANN))).status_code == 200
        assert (await here.http.get("/sessions", headers=bearer(ANN))).status_code == 429


@virtual
async def test_keys_of_two_callers_are_two() -> None:
    gate = Known()
    gate.callers["token-of-bob"] = Caller("bob", frozenset(Act))
    async with rig(keeper(gate)) as here:
        names = []
        for token in (ANN, "token-of-bob", ANN):
            here.http.headers.update(bearer(token))
            posting = here.post("c1", key="the-same")
            if len(names) < 2:
                new = await here.operator.seen(lambda session: session.metadata.name not in names)
                await here.operator.run_at_once(new)
            names.append((await posting).json()["session_id"])
        assert names[0] != names[1]
        assert names[2] == names[0]


def test_every_change_is_one_line_that_says_who(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        async with rig(keeper()) as here:
            answer = await started(here)
            name = answer.json()["session_id"]
            path = f"/calls/c1/sessions/{name}"
            await here.http.get(path, headers=bearer(ANN))
            await here.http.delete(path, headers=bearer(VIEWER))
            await here.http.post(f"{path}/close", params={"token": answer.headers["Greenroom-Close-Token"]})
            await here.http.post("/calls/c9%0acaller=root/sessions", headers=bearer("nobody"))
            ours = [record for record in caplog.records if record.name.startswith("greenroom")]
            told = " ".join(record.getMessage() for record in ours)
            assert answer.headers["Greenroom-Close-Token"] not in told
            assert ANN not in told
            lines = [record for record in ours if record.name == "greenroom.audit"]
            seen = [(r.caller, r.act, r.call, r.session, r.status) for r in lines]  # type: ignore[attr-defined]
            assert seen == [
                ("ann", "start", "c1", name, 201),
                ("viewer", "close", "c1", name, 403),
                ("close-token", "close", "c1", name, 202),
                ("", "start", "c9\ncaller=root", "", 400),
            ]
            assert all("\n" not in record.getMessage() for record in lines)

    with caplog.at_level(logging.INFO):
        story()


@virtual
async def test_answers_are_guarded_for_browsers() -> None:
    async with rig(keeper()) as here:
        for path in ("/health", "/sessions", "/nowhere"):
            headers = (await here.http.get(path)).headers
            assert headers["X-Content-Type-Options"] == "nosniff", path
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Frame-Options"] == "DENY"
