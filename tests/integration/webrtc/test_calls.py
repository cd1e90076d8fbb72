"""`local.Edge` and a browser: sound both ways, messages, every way for a call to end."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import time

import pytest
from tests.fakes.browser import Browser
from tests.integration.webrtc.conftest import DEADLINE_SECONDS, call, given_back, held, joined, tone

from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS, peak, seconds_of
from greenroom.agent.calls import MAX_ANSWER_CHARACTERS
from greenroom.agent.events import AgentErrorEvent, AgentTurnEndedEvent
from greenroom.plugins.local.webrtc.limits import NotConnectedError


async def say(connection: object, pcm: bytes) -> None:
    """As an agent does: in real time, 40 ms ahead."""
    started = time.monotonic()
    for number, start in enumerate(range(0, len(pcm), FRAME_BYTES)):
        ahead = started + (number - 2) * FRAME_SECONDS - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)
        connection.send_audio(pcm[start : start + FRAME_BYTES])  # type: ignore[attr-defined]


async def test_the_caller_is_heard() -> None:
    async with call() as (browser, attended):
        await browser.say(tone(1.0))
        await attended.sink.until(lambda sink: seconds_of(sink.heard) > 1.5)
        loud = [
            start
            for start in range(0, len(attended.sink.heard), FRAME_BYTES)
            if peak(attended.sink.heard[start : start + FRAME_BYTES]) > 3_000
        ]
        assert len(loud) * FRAME_SECONDS == pytest.approx(1.0, abs=0.15)
        assert max(loud) - min(loud) <= 1.3 * len(loud) * FRAME_BYTES, "in one piece"


async def test_the_agent_is_heard_and_then_nothing_is_sent() -> None:
    async with call() as (browser, attended):
        await say(attended.connection, tone(1.0))
        async with asyncio.timeout(DEADLINE_SECONDS):
            await browser.ear.until(lambda ear: ear.sound_seconds > 0.9)
            [sound] = [track for track in browser.peer.getReceivers() if track.track.kind == "audio"]
            while (before := _received(await sound.getStats())) != await _a_moment_later(sound):
                pass
        assert 50 <= before < 72
        assert browser.ear.sound_seconds == pytest.approx(1.0, abs=0.1)


async def _a_moment_later(receiver: object) -> int:
    await asyncio.sleep(0.3)  # fifteen packets' time
    return _received(await receiver.getStats())  # type: ignore[attr-defined]


def _received(stats: dict[str, object]) -> int:
    return sum(one.packetsReceived for one in stats.values() if one.type == "inbound-rtp")  # type: ignore[attr-defined]


async def test_what_waits_is_not_said_after_a_clear() -> None:
    async with call() as (browser, attended):
        for _ in range(3):
            attended.connection.send_audio(tone(0.02))
        attended.connection.clear_audio()
        await say(attended.connection, bytes(FRAME_BYTES) * 20)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await browser.ear.until(lambda ear: seconds_of(ear.pcm) >= 0.3)
        assert browser.ear.sound_seconds <= 0.04


async def test_the_page_is_told_what_happens() -> None:
    async with call() as (browser, attended):
        attended.connection.show(AgentTurnEndedEvent("It is sunny.", interrupted=False))
        attended.connection.show(AgentErrorEvent("tts", RuntimeError("no voice")))
        await attended.connection.send_custom_event({"score": 7})
        async with asyncio.timeout(DEADLINE_SECONDS):
            await browser.told(lambda message: message["type"] == "custom")
        assert browser.messages == [
            {"type": "agent.agent_turn_ended", "text": "It is sunny.", "interrupted": False},
            {"type": "agent.error", "part": "tts", "error": "RuntimeError: no voice"},
            {"type": "custom", "custom": {"score": 7}},
        ]
        with pytest.raises(ValueError, match="32768 bytes"):
            await attended.connection.send_custom_event({"text": ["x" * 4000] * 20})


async def test_what_happened_before_the_page_was_there_is_told_then_as_far_as_it_fits() -> None:
    browser = Browser()
    attended = await joined(await browser.offer())
    for number in range(150):
        await attended.connection.send_custom_event({"number": number})
    await browser.take(await attended.sink.answer)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await browser.told(lambda message: message["custom"]["number"] == 99)
    assert [message["custom"]["number"] for message in browser.messages] == list(range(100))
    await attended.leave()
    await browser.hang_up()


async def test_a_page_that_reads_nothing_holds_nobody_up() -> None:
    async with call() as (_, attended):
        began = time.monotonic()
        for _ in range(2_000):
            await attended.connection.send_custom_event({"text": "x" * 3_000})
        assert time.monotonic() - began < DEADLINE_SECONDS
        channel = attended.connection._peer.channel  # type: ignore[attr-defined]
        assert channel.dropped > 1_000


# --- ends ---


async def test_the_caller_hangs_up() -> None:
    async with call() as (browser, attended):
        await browser.hang_up()
        await attended.over()
        assert attended.sink.reports == ["Caller joined", "Caller left"]


async def test_after_the_end_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    async with call() as (browser, attended):
        async with asyncio.timeout(DEADLINE_SECONDS):
            await browser.open.wait()
        await browser.hang_up()
        await attended.over()
        attended.connection.show(AgentTurnEndedEvent("Hello?", interrupted=False))
        await say(attended.connection, tone(0.1))
    gc.collect()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_the_page_says_goodbye() -> None:
    async with call() as (browser, attended):
        async with asyncio.timeout(DEADLINE_SECONDS):
            await browser.open.wait()
        browser.channel.send('{"type": "bye"}')
        await attended.over()
        assert attended.sink.reports == ["Caller joined", "Caller left"]


async def test_the_browser_is_killed() -> None:
    async with call(disconnect_timeout_seconds=1.0) as (browser, attended):
        await browser.say(tone(0.2))
        await browser.vanish()
        began = time.monotonic()
        await attended.over()
        assert attended.sink.reports == ["Caller joined", "lost", "Caller left"]
        assert 0.5 < time.monotonic() - began < 30.0


async def test_a_network_that_comes_back_is_told() -> None:
    async with call(disconnect_timeout_seconds=5.0) as (browser, attended):
        await browser.say(tone(0.2))
        with browser.unreachable():
            await attended.sink.until(lambda sink: "lost" in sink.reports)
        await attended.sink.until(lambda sink: "restored" in sink.reports)
        assert attended.sink.reports == ["Caller joined", "lost", "restored"]
        before = len(attended.sink.heard)
        await browser.say(tone(0.2))
        await attended.sink.until(lambda sink: peak(sink.heard[before:]) > 3_000)


async def test_a_browser_that_is_there_and_silent_stays() -> None:
    """Muted, it still sends; were it not to, its reports of what it hears would come."""
    async with call(disconnect_timeout_seconds=1.0) as (_, attended):
        await attended.sink.until(lambda sink: seconds_of(sink.heard) > 2.5)
        assert not attended.carried.done()


async def test_the_agent_leaves_and_the_browser_knows_at_once() -> None:
    async with call() as (browser, attended):
        attended.connection.show(AgentTurnEndedEvent("Goodbye.", interrupted=False))
        await attended.leave()
        async with asyncio.timeout(5):  # and not only when its own connection's checks fail
            await browser.over.wait()
        assert browser.messages[-1]["text"] == "Goodbye."


async def test_a_browser_whose_microphone_was_closed_stays() -> None:
    """It reports what it hears, every second or so; other browsers every five."""
    async with call(disconnect_timeout_seconds=2.5) as (browser, attended):
        await browser.say(tone(0.1))
        browser.peer.getSenders()[0].replaceTrack(None)
        heard = len(attended.sink.heard)
        await say(attended.connection, tone(4.0))
        assert not attended.carried.done()
        assert len(attended.sink.heard) - heard < 16_000


async def test_another_browser_than_the_one_that_made_the_offer_is_refused() -> None:
    browser = Browser()
    offer = re.sub("sha-256 ..", "sha-256 00", await browser.offer())
    attended = await joined(offer)
    await browser.take(await attended.sink.answer)
    with pytest.raises(NotConnectedError, match="not the one that made the offer"):
        await attended.over()
    await attended.leave()
    await browser.hang_up()


async def test_no_browser_comes() -> None:
    attended = await joined(await offer_of_nobody(), connect_timeout_seconds=0.5)
    with pytest.raises(NotConnectedError, match=r"no browser connected within 0.5 s: .*GREENROOM_TURN_URL"):
        await attended.over()
    assert attended.sink.reports == []
    await attended.leave()


async def offer_of_nobody() -> str:
    browser = Browser()
    offer = await browser.offer()
    await browser.hang_up()
    return offer


async def test_a_leave_in_the_middle_of_connecting() -> None:
    """At any moment; the fixture sees what is left over."""
    for moments in range(0, 60, 4):
        browser = Browser()
        attended = await joined(await browser.offer())
        taking = asyncio.create_task(browser.take(await attended.sink.answer))
        for _ in range(moments):
            await asyncio.sleep(0)
        await attended.leave()
        await taking
        await browser.hang_up()


async def test_a_join_that_is_cut_off() -> None:
    for moments in range(12):
        browser = Browser()
        joining = asyncio.create_task(joined(await browser.offer()))
        for _ in range(moments):
            await asyncio.sleep(0)
        joining.cancel()
        await asyncio.wait((joining,))
        if not joining.cancelled():
            await joining.result().leave()
        await browser.hang_up()


# --- more than one, and again ---


async def test_two_calls_at_once_do_not_hear_each_other() -> None:
    async with call() as (one, one_end), call() as (_, other_end):
        await one.say(tone(0.5))
        await one_end.sink.until(lambda sink: peak(sink.heard) > 3_000)
        await other_end.sink.until(lambda sink: seconds_of(sink.heard) > 0.5)
        assert peak(other_end.sink.heard) < 300


async def test_calls_leave_nothing_behind() -> None:
    before = held()
    for _ in range(10):
        await short_call()
    await given_back(before)


async def short_call() -> None:
    async with call() as (browser, attended):
        await say(attended.connection, tone(0.1))
        await browser.say(tone(0.1))


async def test_a_call_starts_no_thread() -> None:
    before = held()
    async with call() as (_, attended):
        await say(attended.connection, tone(0.1))
        now = held()
    # The browser's side, in this process too, has one to decode with, and FFmpeg's.
    ours = {"session-1-video"}
    assert not [task for task in asyncio.all_tasks() if task.get_name() in ours]
    assert now["threads"] - before["threads"] <= 2


# --- what is in the answer ---


async def test_the_answer_fits_into_a_status_even_with_video() -> None:
    async with call(video=True, wants_video=True) as (_, attended):
        assert len(await attended.sink.answer) < MAX_ANSWER_CHARACTERS


async def test_video_is_refused_when_nobody_looks() -> None:
    async with call(video=True) as (browser, attended):
        answer = await attended.sink.answer
        assert "a=inactive" in answer[answer.index("m=video") :]
        await browser.say(tone(0.5))
        assert attended.sink.seen == []


async def test_video_is_seen_when_somebody_looks() -> None:
    async with call(video=True, wants_video=True) as (_, attended):
        await attended.sink.until(lambda sink: len(sink.seen) >= 3)
        frame = attended.sink.seen[-1]
        assert (frame.width, frame.height) == (640, 480)
        pixels = await frame.within(100).rgb()
        assert len(pixels) == 3 * 100 * 75
        red, green, blue = pixels[:3]
        assert green > max(red, blue), "aiortc's own picture is green"


async def test_no_public_server_is_asked() -> None:
    async with call() as (_, attended):
        assert " typ srflx" not in await attended.sink.answer
