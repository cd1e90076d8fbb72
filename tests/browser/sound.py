"""What goes into the browser's microphone, and what came out of the call, as the page played it."""

from __future__ import annotations

import base64
import wave
from typing import TYPE_CHECKING

import numpy as np

from greenroom.agent.audio import SAMPLE_RATE, silence
from greenroom.plugins import local

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.page import Page

_MICROPHONE_RATE = 48_000

EAR = (
    """
window.heard = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) {
    super(...given);
    this.addEventListener("track", ({ streams }) => {
      const context = new AudioContext({ sampleRate: %d });
      const tap = context.createScriptProcessor(4096, 1, 1);
      tap.onaudioprocess = ({ inputBuffer }) => window.heard.push(inputBuffer.getChannelData(0).slice());
      context.createMediaStreamSource(streams[0]).connect(tap);
      tap.connect(context.destination);
      window.tap = tap; // or it is collected, and deaf
    });
  }
};
window.takeHeard = () => {
  const samples = window.heard.splice(0).flatMap((block) => Array.from(block));
  const bytes = new Uint8Array(Int16Array.from(samples, (sample) => sample * 32767).buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
};
"""
    % SAMPLE_RATE
)
"""Runs before the page: it hears every call of the page as well."""


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
    """What the page heard since this was last asked: 16 kHz, 16-bit, mono."""
    return base64.b64decode(await page.evaluate("takeHeard()"))


async def understood(pcm: bytes) -> str:
    """What a listener makes of it."""
    utterance = local.STT().utterance()
    pcm = silence(0.3) + pcm + silence(0.3)
    for start in range(0, len(pcm), 3200):
        await utterance.feed(pcm[start : start + 3200])
    return await utterance.finish()
