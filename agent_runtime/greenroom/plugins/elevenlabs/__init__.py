"""Voices by ElevenLabs, on its own SDK.

Install with the extra `elevenlabs`. Importing this imports no SDK; that happens at the warm-up or the first call.
"""

from __future__ import annotations

from greenroom.plugins.vendor import require

require("elevenlabs", "elevenlabs")

from greenroom.plugins.elevenlabs.tts import TTS  # noqa: E402 - nothing is to be had without the package

__all__ = ["TTS"]
