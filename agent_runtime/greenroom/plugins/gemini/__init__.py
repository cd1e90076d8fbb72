"""Google's Gemini models, on its own SDK.

Install with the extra `gemini`. Importing this imports no SDK; that happens at the warm-up or the first call.
"""

from __future__ import annotations

from greenroom.plugins.vendor import require

require("google.genai", "gemini")

from greenroom.plugins.gemini.llm import LLM  # noqa: E402 - nothing is to be had without the package
from greenroom.plugins.gemini.realtime import Realtime  # noqa: E402

__all__ = ["LLM", "Realtime"]
