"""What goes into the browser's microphone, and what came out of the call, as the page played it."""

from __future__ import annotations

import base64
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greenroom.agent.audio import SAMPLE_RATE, silence
from greenroom.plugins import local

if TYPE_CHECKING:
    from tests.browser.page import Page

_MICROPHONE_RATE = 48_000
_PAUSE_SECONDS = 1.0

EAR = Path(__file__).with_name("ear.js").read_text()
"""Runs before the page: it hears what its calls play."""


async def record(path: Path, question: str, *, before_seconds: float, after_seconds: float) -> None:
    """A wav for the microphone, which plays it over and over: silence, the question, silence."""
    spoken = b"".join([pcm async for pcm in local.TTS(seed=7).synthesize(question)])
    samples = np.frombuffer(silence(before_seconds) + spoken + silence(after_seconds), np.int16)
    times = np.arange(len(samples) * _MICROPHONE_RATE // SAMPLE_RATE) * SAMPLE_RATE / _MICROPHONE_RATE
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_MICROPHONE_RATE)
        file.writeframes(np.interp(times, np.arange(len(samples)), samples).astype(np.int16).tobytes())


async def taken(page: Page) -> bytes:
    """What the page has heard, up to the end of what it hears now or next: 16 kHz, 16-bit, mono."""
    await page.evaluate("quietSince = null")
    await page.until(f"quietSince !== null && performance.now() - quietSince > {_PAUSE_SECONDS * 1000}")
    return base64.b64decode(await page.evaluate("takeHeard()"))


async def understood(pcm: bytes) -> str:
    """What a listener makes of it."""
    utterance = local.STT().utterance()
    pcm = silence(0.3) + pcm + silence(0.3)
    for start in range(0, len(pcm), 3200):
        await utterance.feed(pcm[start : start + 3200])
    return await utterance.finish()
