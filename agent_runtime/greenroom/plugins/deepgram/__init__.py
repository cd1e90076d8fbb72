"""Ears by Deepgram, on its own SDK.

Install with the extra `deepgram`. Importing this imports no SDK; that happens at the warm-up or the first call.
"""

from __future__ import annotations

from greenroom.plugins.vendor import require

require("deepgram", "deepgram")

from greenroom.plugins.deepgram.stt import STT  # noqa: E402 - nothing is to be had without the package

__all__ = ["STT"]
