"""Where browser and process do not reach each other a TURN server carries the call; one that fails is no obstacle."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import aioice.ice
import pytest
from tests.fakes.browser import Browser
from tests.fakes.turn_server import CREDENTIAL, USERNAME, turn_server
from tests.integration.webrtc.conftest import DEADLINE_SECONDS, joined, tone

from greenroom.agent.audio import peak

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.webrtc.conftest import Attended


@pytest.fixture
def address() -> str:
    addresses = aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not addresses:
        pytest.skip("this machine has no network address but the loopback")
    return addresses[0]


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it: what joins from now on has no address of its own."""
    return lambda: monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: [])


async def relayed(offer: str, url: str, credential: str = CREDENTIAL) -> Attended:
    return await joined(offer, turn_url=url, turn_username=USERNAME, turn_credential=credential)


async def test_a_call_by_relay_alone(address: str, cut_off: Callable[[], None]) -> None:
    browser = Browser()
    offer = await browser.offer()
    cut_off()
    async with turn_server(address) as server, asyncio.timeout(DEADLINE_SECONDS):
        attended = await relayed(offer, server.url)
        answer = await attended.sink.answer
        assert " typ relay" in answer
        assert " typ host" not in answer
        await browser.take(answer)
        await browser.say(tone(0.5))
        await attended.sink.until(lambda sink: peak(sink.heard) > 3_000)
        assert server.relayed > 20
        await attended.leave()
        assert not server.relays, "given back"
        await browser.over.wait()
        await browser.hang_up()


async def test_a_refused_credential_is_no_obstacle_and_is_not_shown(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    browser = Browser()
    async with turn_server(address) as server:
        attended = await relayed(await browser.offer(), server.url, "wrong-s3cret")
        assert " typ host" in await attended.sink.answer
        assert f"no address from {server.url}" in caplog.text
        assert "s3cret" not in caplog.text
        await attended.leave()
    await browser.hang_up()


async def test_a_server_that_is_gone_holds_up_neither_the_join_for_long_nor_the_end(address: str) -> None:
    browser = Browser()
    async with turn_server(address) as server:
        server.deaf = True
        began = time.monotonic()
        attended = await relayed(await browser.offer(), server.url)
        assert time.monotonic() - began < 30
        assert " typ host" in await attended.sink.answer
        await attended.leave()
    await browser.hang_up()


async def test_the_end_does_not_wait_for_a_server_that_went_in_the_call(address: str) -> None:
    browser = Browser()
    async with turn_server(address) as server, asyncio.timeout(DEADLINE_SECONDS):
        attended = await relayed(await browser.offer(), server.url)
        await browser.take(await attended.sink.answer)
        await browser.connected.wait()
        server.deaf = True
        began = time.monotonic()
        leaving = asyncio.create_task(attended.leave())
        await browser.over.wait()
        assert not leaving.done(), "the browser does not wait for it either"
        await leaving
        assert time.monotonic() - began < 30
        server.deaf = False  # the next of its repeated requests is answered
        while server.relays:
            await asyncio.sleep(0.05)
        await browser.hang_up()


async def test_without_any_address_the_error_says_so(cut_off: Callable[[], None]) -> None:
    browser = Browser()
    offer = await browser.offer()
    cut_off()
    with pytest.raises(OSError, match="no network address that a browser could reach"):
        await joined(offer)
    await browser.hang_up()
