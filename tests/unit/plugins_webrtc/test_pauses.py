"""Who falls silent is heard as silent for a while, in real time; then nothing runs."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent.audio import seconds_of
from greenroom.plugins.local.webrtc.pauses import LONGEST_SECONDS, SPEECH_PACKETS, STEP_SECONDS, Pauses


def test_silence_takes_its_time_and_ends() -> None:
    async def silence() -> tuple[float, float]:
        heard = bytearray()
        pauses = Pauses(heard.extend, VirtualClock())
        pauses.begin()
        await asyncio.sleep(1.0)
        so_far = seconds_of(heard)
        await asyncio.sleep(60.0)
        return so_far, seconds_of(heard)

    so_far, all_of_it = run_virtual(silence())
    assert so_far == pytest.approx(1.0, abs=STEP_SECONDS)
    assert all_of_it == pytest.approx(LONGEST_SECONDS, abs=STEP_SECONDS)


def test_sound_ends_it_and_only_speech_begins_the_count_anew() -> None:
    async def in_turns(packets: int) -> float:
        heard = bytearray()
        pauses = Pauses(heard.extend, VirtualClock())
        for _ in range(20):
            pauses.begin()
            await asyncio.sleep(0.4)
            for _ in range(packets):
                pauses.end()
        pauses.stop()
        return seconds_of(heard)

    assert run_virtual(in_turns(1)) == pytest.approx(LONGEST_SECONDS, abs=STEP_SECONDS), "signs of a long silence"
    assert run_virtual(in_turns(SPEECH_PACKETS)) == pytest.approx(20 * 0.36, abs=0.1), "speech, with pauses in it"
