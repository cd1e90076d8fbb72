"""Google's Gemini models, on its own SDK.

Install with the extra `gemini`. Importing this imports no SDK; that happens at the warm-up or the first call.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from greenroom.plugins.vendor import require

require("google.genai", "gemini")

from greenroom.plugins.gemini.llm import LLM  # noqa: E402 - nothing is to be had without the package
from greenroom.plugins.gemini.realtime import Realtime  # noqa: E402

__all__ = ["LLM", "Realtime"]


def __getattr__(name: str) -> Any:
    """`gemini.ThinkingLevel` and `gemini.MediaResolution` are the SDK's own; a text does as well."""
    if name in ("ThinkingLevel", "MediaResolution"):
        return getattr(import_module("google.genai.types"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
