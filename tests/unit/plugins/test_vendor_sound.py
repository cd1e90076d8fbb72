"""Raw sound of vendors: any cut, any rate."""

from __future__ import annotations

from typing import Any

import pytest

from greenroom.plugins import elevenlabs
from greenroom.plugins.vendor.sound import Samples

np = pytest.importorskip("numpy")


def sine(rate: int, hertz: float, seconds: float = 1.0) -> bytes:
    time = np.arange(int(rate * seconds)) / rate
    return bytes((10_000 * np.sin(2 * np.pi * hertz * time)).astype("<i2").tobytes())


def through(rate: int, pcm: bytes, piece: int = 1001) -> Any:
    samples = Samples(rate)
    taken = b"".join(samples.take(pcm[start : start + piece]) for start in range(0, len(pcm), piece))
    return np.frombuffer(taken + samples.rest(), dtype="<i2").astype(float)


@pytest.mark.parametrize("piece", [1, 2, 3, 999, 100_000])
def test_at_the_agents_own_rate_nothing_changes(piece: int) -> None:
    pcm = sine(16_000, 440, 0.05)
    assert through(16_000, pcm, piece).tobytes() == np.frombuffer(pcm, "<i2").astype(float).tobytes()


def test_half_a_sample_at_the_end_is_none() -> None:
    assert len(through(16_000, b"\x01\x02\x03")) == 1


@pytest.mark.parametrize("rate", [8000, 22050, 24000, 44100, 48000])
def test_a_tone_stays_what_it_was(rate: int) -> None:
    got = through(rate, sine(rate, 1000))
    wanted = 10_000 * np.sin(2 * np.pi * 1000 * np.arange(len(got)) / 16_000)
    assert len(got) == pytest.approx(16_000, abs=2)
    assert np.abs(got - wanted)[100:-100].max() < 30


@pytest.mark.parametrize("rate", [24000, 44100, 48000])
def test_what_is_too_high_is_not_folded_down(rate: int) -> None:
    assert np.abs(through(rate, sine(rate, 10_000))[100:-100]).max() < 100


@pytest.mark.parametrize("rate", [22050, 44100])
@pytest.mark.parametrize("piece", [1, 77, 4096])
def test_how_it_is_cut_makes_no_difference(rate: int, piece: int) -> None:
    pcm = sine(rate, 700, 0.05)
    assert np.abs(through(rate, pcm, piece) - through(rate, pcm, len(pcm))).max() <= 1


@pytest.mark.parametrize("form", ["mp3_44100_128", "ulaw_8000", "pcm", "pcm_1", "pcm_96000", "wav_16000"])
def test_what_a_call_cannot_take_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match=f"output_format='{form}': a call takes raw sound"):
        elevenlabs.TTS(api_key="k", output_format=form)
