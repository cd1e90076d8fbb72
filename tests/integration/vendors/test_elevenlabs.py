"""elevenlabs.TTS on the real SDK against a fake of the service."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.fakes.elevenlabs.server import SECONDS_PER_WORD, FakeElevenLabs, tone
from tests.fakes.vendor_server import KEY, Fault

from greenroom.agent.audio import SAMPLE_RATE, peak, seconds_of
from greenroom.plugins import elevenlabs as plugin
from greenroom.plugins.elevenlabs.client import CLIENTS
from greenroom.plugins.vendor import Backoff, VendorError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

SENTENCE = "It is sunny in Boston."
QUICK = Backoff(first_seconds=0.01, longest_seconds=0.02)


def tts(server: FakeElevenLabs, **more: Any) -> plugin.TTS:
    return plugin.TTS(**{"api_key": KEY, "base_url": server.url, "backoff": QUICK} | more)


async def spoken(voice: plugin.TTS, text: str = SENTENCE) -> bytes:
    try:
        return b"".join([pcm async for pcm in voice.synthesize(text)])
    finally:
        await voice.close()


async def test_a_sentence_is_sound_to_the_sample(elevenlabs: FakeElevenLabs) -> None:
    assert await spoken(tts(elevenlabs, voice_settings={"stability": 0.4})) == tone(SENTENCE, SAMPLE_RATE)
    (asked,) = elevenlabs.asked
    assert asked["text"] == SENTENCE
    assert asked["model_id"] == "eleven_flash_v2_5"
    assert asked["output_format"] == "pcm_16000"
    assert asked["voice_settings"] == {"stability": 0.4}


async def test_sound_is_passed_on_before_the_sentence_is_whole(elevenlabs: FakeElevenLabs) -> None:
    elevenlabs.faults.append(Fault(stall=True, after=2))
    voice = tts(elevenlabs)
    async with aclosing(cast("AsyncGenerator[bytes, None]", voice.synthesize(SENTENCE))) as sound:
        first = await anext(sound)
        assert len(first) % 2 == 0
        assert peak(first) > 1000
    await elevenlabs.settled(connections=1)  # stopped at the other end too, though that never finished
    await voice.close()


@pytest.mark.parametrize("rate", [8000, 22050, 24000, 44100])
async def test_other_rates_are_converted(elevenlabs: FakeElevenLabs, rate: int) -> None:
    pcm = await spoken(tts(elevenlabs, output_format=f"pcm_{rate}"))
    assert seconds_of(pcm) == pytest.approx(5 * SECONDS_PER_WORD, abs=0.005)
    assert peak(pcm) == pytest.approx(8000, rel=0.1)
    signs = [pcm[n + 1] < 128 for n in range(0, len(pcm), 2)]
    crossings = sum(a != b for a, b in pairwise(signs))
    assert crossings == pytest.approx(2 * 440 * 5 * SECONDS_PER_WORD, abs=4)


async def test_it_waits_as_long_as_elevenlabs_asks(elevenlabs: FakeElevenLabs) -> None:
    elevenlabs.faults.append(Fault(status=429, retry_after="0.5"))
    began = asyncio.get_running_loop().time()
    sound = await spoken(tts(elevenlabs, backoff=Backoff(first_seconds=0.01, longest_seconds=0.5)))
    assert sound == tone(SENTENCE, SAMPLE_RATE)
    assert asyncio.get_running_loop().time() - began >= 0.5


async def test_it_gives_up_at_once_where_that_is_longer_than_anybody_waits(elevenlabs: FakeElevenLabs) -> None:
    elevenlabs.faults.append(Fault(status=429, retry_after="30"))
    with pytest.raises(VendorError, match=r"ElevenLabs is at its limit \(HTTP 429\): system_busy"):
        await spoken(tts(elevenlabs, backoff=Backoff()))
    assert len(elevenlabs.requests) == 1


@pytest.mark.parametrize("fault", [Fault(status=429), Fault(status=503), Fault(cut=True)])
async def test_what_passes_is_tried_again_and_counted(elevenlabs: FakeElevenLabs, fault: Fault) -> None:
    elevenlabs.faults.append(fault)
    voice = tts(elevenlabs)
    assert await spoken(voice) == tone(SENTENCE, SAMPLE_RATE)
    assert len(elevenlabs.requests) == 2
    assert voice.metrics.errors["tts"] == 1


async def test_it_is_not_tried_for_ever(elevenlabs: FakeElevenLabs) -> None:
    elevenlabs.faults.extend([Fault(status=500)] * 5)
    with pytest.raises(VendorError, match=r"ElevenLabs failed \(HTTP 500\): system_busy The system is busy"):
        await spoken(tts(elevenlabs))
    assert len(elevenlabs.requests) == 3


async def test_a_sentence_cut_in_the_middle_is_an_error_and_is_not_said_twice(elevenlabs: FakeElevenLabs) -> None:
    elevenlabs.faults.append(Fault(cut=True, after=3))
    voice, heard = tts(elevenlabs), b""
    with pytest.raises(VendorError, match="ElevenLabs cannot be reached or hung up") as caught:  # noqa: PT012
        async for pcm in voice.synthesize(SENTENCE):
            heard += pcm
    await voice.close()
    assert heard == tone(SENTENCE, SAMPLE_RATE)[: len(heard)]
    assert heard
    assert len(elevenlabs.requests) == 1
    assert caught.value.__context__ is None


async def test_a_service_that_falls_silent_is_given_up(elevenlabs: FakeElevenLabs) -> None:
    elevenlabs.faults.append(Fault(stall=True, after=1))
    with pytest.raises(VendorError, match=r"ElevenLabs sent nothing for 0\.2 s"):
        await spoken(tts(elevenlabs, next_sound_seconds=0.2))


async def test_a_slow_service_is_asked_again(elevenlabs: FakeElevenLabs) -> None:
    elevenlabs.faults.append(Fault(delay_seconds=60))
    assert await spoken(tts(elevenlabs, first_sound_seconds=1.0)) == tone(SENTENCE, SAMPLE_RATE)


async def test_rubbish_is_not_played(elevenlabs: FakeElevenLabs) -> None:
    elevenlabs.faults.append(Fault(malformed=True))
    with pytest.raises(VendorError, match="answered with 'text/html' instead of sound"):
        await spoken(tts(elevenlabs))


async def test_a_wrong_key_is_said_so_once_and_not_shown(elevenlabs: FakeElevenLabs) -> None:
    with pytest.raises(VendorError, match=r"refused the API key \(HTTP 401\).*check ELEVENLABS_API_KEY") as caught:
        await spoken(tts(elevenlabs, api_key="another-key-987"))
    assert elevenlabs.refused == 1
    assert "another-key-987" not in repr(caught.value.__dict__) + str(caught.value)
    assert caught.value.__context__ is None


async def test_nobody_there(unused_port: int) -> None:
    voice = plugin.TTS(api_key=KEY, base_url=f"http://127.0.0.1:{unused_port}", backoff=QUICK)
    with pytest.raises(VendorError, match="cannot be reached"):
        await spoken(voice)


async def test_sessions_share_connections_and_the_last_one_closes_them(elevenlabs: FakeElevenLabs) -> None:
    first, second = tts(elevenlabs), tts(elevenlabs)
    await asyncio.gather(first.start(), second.start())
    assert elevenlabs.connections == 1, "open before the first sentence"
    for voice in (first, second, first):
        assert [pcm async for pcm in voice.synthesize("One two.")]
    assert elevenlabs.connections == 1
    await first.close()
    await first.close()
    assert [pcm async for pcm in second.synthesize("One two.")]
    await second.close()
    assert CLIENTS.count == 0
    await elevenlabs.settled()
