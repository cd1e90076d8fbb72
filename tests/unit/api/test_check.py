"""`greenroom check` asks as a caller would, says what is wrong in one sentence, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.unit.api.rig import Rig, rig, virtual

from greenroom_api.check import Check, CheckSettings, Failed, main
from greenroom_core.kube.transport import Answer, TransportError
from greenroom_core.settings import BadSetting, load
from greenroom_core.world import World

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from greenroom_core.kube.transport import Request, Stream

DEADLINE_SECONDS = 120.0


class Caller:
    """The way to the rig's API; the first `refused` requests find nobody there."""

    def __init__(self, api: Rig, refused: int = 0) -> None:
        self._api = api
        self._refused = refused
        self.asked: list[str] = []

    async def send(self, request: Request, timeout_seconds: float) -> Answer:
        self.asked.append(f"{request.method} {request.path}")
        if len(self.asked) <= self._refused:
            raise TransportError("Connection refused", sent=False)
        headers = {"Content-Type": request.content_type} if request.body is not None else {}
        try:
            async with self._api.clock.timeout(timeout_seconds):
                answer = await self._api.http.request(
                    request.method, request.path, content=request.body, headers=headers, timeout=None
                )
        except (httpx.HTTPError, TimeoutError) as error:
            raise TransportError(str(error)) from error
        return Answer(answer.status_code, answer.content)

    def stream(self, request: Request, silence_seconds: float) -> AbstractAsyncContextManager[Stream]:
        raise NotImplementedError("a caller of the REST API watches nothing")


def checking(api: Rig, caller: Caller, runtime: str = "default") -> asyncio.Task[None]:
    check = Check(World(api.clock, Random(3), caller))
    return asyncio.get_running_loop().create_task(check.run(runtime, DEADLINE_SECONDS))


async def left(api: Rig) -> None:
    """The agent of the one session leaves as soon as it is asked to."""
    await api.until(lambda: bool(api.objects()))
    session = await api.operator.session_of(api.objects()[0]["spec"]["callId"])
    await api.operator.run_at_once(session)
    closing = await api.operator.seen(lambda now: now.close_requested)
    await api.operator.end(closing, "CloseRequested")


@virtual
async def test_one_session_is_started_and_closed() -> None:
    async with rig() as api:
        caller = Caller(api)
        check = checking(api, caller)
        await left(api)
        await check
        assert caller.asked[:2] == ["GET /health", "GET /ready"]
        [post] = [asked for asked in caller.asked if asked.startswith("POST")]
        [delete] = [asked for asked in caller.asked if asked.startswith("DELETE")]
        assert delete.startswith(post.replace("POST", "DELETE"))
        assert caller.asked[-1] == delete.replace("DELETE", "GET")
        spec = api.objects()[0]["spec"]
        assert spec["ttlSecondsAfterFinished"] == 0
        assert spec["limits"]["maxDurationSeconds"] <= 300


@virtual
async def test_without_a_runtime_none_is_started() -> None:
    async with rig() as api:
        caller = Caller(api)
        await checking(api, caller, runtime="")
        assert caller.asked == ["GET /health", "GET /ready"]
        assert api.objects() == []


@virtual
async def test_an_api_that_is_still_starting_is_waited_for() -> None:
    async with rig() as api:
        caller = Caller(api, refused=20)
        await checking(api, caller, runtime="")
        assert caller.asked == ["GET /health"] * 21 + ["GET /ready"]


@virtual
async def test_one_that_does_not_come_is_told_with_its_last_answer() -> None:
    async with rig() as api:
        with pytest.raises(Failed, match=r"^after 120 s still: GET /health: Connection refused$"):
            await checking(api, Caller(api, refused=10**6), runtime="")


@virtual
async def test_a_start_that_is_refused_is_told_in_the_api_s_words() -> None:
    async with rig() as api:
        with pytest.raises(Failed, match=r"^POST /calls/check-\w+/sessions: expected 201, got 422 .*runtime"):
            await checking(api, Caller(api), runtime="elsewhere")
        assert api.objects() == []


@virtual
async def test_an_agent_that_does_not_leave_is_told() -> None:
    async with rig() as api:
        check = checking(api, Caller(api))
        await api.until(lambda: bool(api.objects()))
        await api.operator.run_at_once(await api.operator.session_of(api.objects()[0]["spec"]["callId"]))
        with pytest.raises(Failed, match=r"^after 120 s still: GET /calls/check-\w+/.*: expected 404, got 200"):
            await check


def test_an_address_without_its_scheme_is_refused() -> None:
    with pytest.raises(BadSetting, match=r"GREENROOM_URL='greenroom-api:8000' is not allowed"):
        load(CheckSettings, "greenroom check", [], {"GREENROOM_URL": "greenroom-api:8000"})


def test_a_token_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GREENROOM_TOKEN_FILE", "/nowhere/token")
    with pytest.raises(SystemExit, match=r"greenroom check: .*'/nowhere/token'"):
        main(["check"])
