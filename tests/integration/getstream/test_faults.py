"""Stream slow, refusing, cut off or talking rubbish; keys that are wrong; what is said about it, and what is not."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from tests.fakes.stream.scene import Scene

from greenroom.plugins import getstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.stream import FakeStream, Room

LIMIT_SECONDS = 60.0
USERS = "POST /api/v2/users"


@pytest.fixture(autouse=True)
def everything_logged_and_no_secret_in_it(
    stream: FakeStream, caplog: pytest.LogCaptureFixture
) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.DEBUG)
    yield caplog
    # What the fake's own server and the event loop log is not ours.
    records = [record for record in caplog.get_records("call") if not record.name.startswith(("aiohttp", "asyncio"))]
    text = "\n".join(f"{record.getMessage()} {vars(record)}" for record in records)
    assert "HTTP Request" in text, "the noisiest library was heard"
    assert stream.credentials.api_secret not in text
    assert stream.credentials.api_key not in text
    assert "eyJ" not in text, "the beginning of every token"


@pytest.mark.parametrize("fault", ["refuse_requests", "cut_requests", "garble_requests"])
async def test_a_coordinator_that_stumbles_twice_is_asked_again(stream: FakeStream, fault: str) -> None:
    setattr(stream.faults, fault, 2)
    scene = Scene(stream)
    await scene.agent.create_call("default", "demo")
    assert stream.coordinator.requests.count(USERS) == 3
    assert stream.coordinator.creators == {"default:demo": "agent"}
    await scene.agent.close()


async def test_a_coordinator_that_asks_for_patience_gets_it(stream: FakeStream) -> None:
    stream.faults.refuse_requests, stream.faults.refuse_status, stream.faults.retry_after_seconds = 1, 429, 1
    scene = Scene(stream)
    began = time.monotonic()
    await scene.agent.create_call("default", "demo")
    assert time.monotonic() - began >= 1.0
    await scene.agent.close()


async def test_a_coordinator_that_goes_on_refusing_is_given_up_on(stream: FakeStream) -> None:
    stream.faults.refuse_requests = 100
    scene = Scene(stream)
    with pytest.raises(getstream.StreamError, match=r"did not make user 'agent' known: not now \(status 503"):
        await scene.agent.create_call("default", "demo")
    assert stream.coordinator.requests.count(USERS) == 4
    await scene.agent.close()


async def test_a_coordinator_that_is_slow_has_its_time_and_no_more(stream: FakeStream) -> None:
    stream.faults.delay_seconds = 0.3
    patient = Scene(stream)
    await patient.agent.create_call("default", "demo")
    await patient.agent.close()
    hasty = Scene(stream, request_timeout_seconds=0.1)
    with pytest.raises(getstream.StreamError, match="no answer in time"):
        await hasty.agent.create_call("default", "demo")
    await hasty.agent.close()


@pytest.mark.parametrize("wrong", ["api_key", "api_secret"])
async def test_a_wrong_key_is_said_at_once_with_what_to_check(stream: FakeStream, wrong: str) -> None:
    keys = {"api_key": stream.credentials.api_key, "api_secret": stream.credentials.api_secret}
    edge = getstream.Edge(**(keys | {wrong: "wrong" * 8}), base_url=stream.url)
    scene = Scene(stream, edge=edge)
    with pytest.raises(getstream.StreamError, match="check STREAM_API_KEY and STREAM_API_SECRET") as refused:
        await scene.agent.create_call("default", "demo")
    assert stream.coordinator.requests == [USERS]
    assert "wrong" not in str(refused.value)
    await scene.agent.close()


async def test_a_call_that_the_agent_may_not_join(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream)
    call = await scene.agent.create_call("default", "demo")
    stream.faults.refuse_joins = True
    with pytest.raises(getstream.StreamError, match=r"could not join call default:demo.*does not have permission"):
        async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(call):
            pytest.fail("joined")
    assert room.seats == {}


async def test_an_sfu_that_never_answers_is_given_up_on_in_time(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream, join_timeout_seconds=1.0)
    call = await scene.agent.create_call("default", "demo")
    stream.faults.mute_sfu = True
    began = time.monotonic()
    with pytest.raises(getstream.StreamError, match="could not join call default:demo on Stream: not within 1 s"):
        async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(call):
            pytest.fail("joined")
    assert time.monotonic() - began < 30.0
    assert room.seats == {}


async def test_a_line_that_stays_away_ends_the_session_with_an_error(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream, reconnect_timeout_seconds=1.0)
    call = await scene.agent.create_call("default", "demo")
    await room.enter("alice")

    async def lose_the_line() -> None:
        async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(call):
            seat = await room.agent()
            stream.faults.mute_sfu = True
            await seat.cut()
            await scene.agent.finish()

    with pytest.raises(getstream.StreamError, match="connection to Stream fell and was not back within 1 s"):
        await lose_the_line()


async def test_a_close_in_the_middle_of_the_join_leaves_no_seat(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream)
    call = await scene.agent.create_call("default", "demo")
    stream.faults.delay_seconds = 0.5
    joining = asyncio.create_task(take_part(scene, call))
    async with asyncio.timeout(LIMIT_SECONDS):
        while "POST /api/v2/video/call/default/demo/join" not in stream.coordinator.requests:
            await asyncio.sleep(0.01)
        await scene.agent.close()
        with pytest.raises(RuntimeError, match="was closed before it had joined"):
            await joining
    assert all(seat.left.is_set() for seat in room.seats.values())


async def take_part(scene: Scene, call: object) -> None:
    async with scene.agent.join(call):  # type: ignore[arg-type]
        pytest.fail("joined")


async def test_the_demo_page_is_opened_and_its_address_printed_but_not_logged(
    stream: FakeStream, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url))
    scene = Scene(stream)
    url = await scene.edge.open_demo_for_agent(scene.agent, "default", "my demo")
    assert opened == [url]
    assert url in capsys.readouterr().out
    page, asked = urlsplit(url), parse_qs(urlsplit(url).query)
    assert f"{page.scheme}://{page.netloc}{page.path}" == "https://getstream.io/video/demos/join/my%20demo"
    assert asked["api_key"] == [stream.credentials.api_key]
    claims = jwt.decode(asked["token"][0], stream.credentials.api_secret, algorithms=["HS256"])
    assert claims["user_id"] == "user-demo-agent"
    assert 3500 <= claims["exp"] - claims["iat"] <= 3700
    assert {"agent", "user-demo-agent"} <= set(stream.coordinator.users)
    assert stream.coordinator.creators == {"default:my demo": "agent"}
    assert json.dumps(stream.coordinator.requests).count("/chat/channels/messaging/my demo/query") == 1
    await scene.agent.close()
