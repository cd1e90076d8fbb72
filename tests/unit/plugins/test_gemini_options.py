"""What gemini.LLM refuses before Gemini would."""

from __future__ import annotations

from typing import Any

import pytest

from greenroom.plugins import gemini
from greenroom.plugins.gemini.options import signs_calls

pytest.importorskip("google.genai", reason="the extra `gemini` is not installed")


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("gemini-2.5-flash-lite", {"thinking_budget": 100}, r"takes 0 \(none\), -1 \(as it likes\) or 512 to 24576"),
        ("models/gemini-2.5-pro", {"thinking_budget": 0}, r"gemini-2\.5-pro takes -1 \(as it likes\) or 128 to 32768"),
        (
            "gemini-3-flash",
            {"thinking_budget": -2},
            r"gemini-3-flash takes 0 \(none\), -1 \(as it likes\) or 1 or more",
        ),
        ("gemini-2.5-flash", {"thinking_level": "low"}, r"gemini-2\.5-flash takes thinking_budget"),
        ("gemini-3-flash", {"thinking_level": "low", "thinking_budget": 0}, "one of the two"),
        ("gemini-3-flash", {"client": object()}, r"no argument client: pass api_key= and base_url="),
        (
            "gemini-3-flash",
            {"config": {"system_instruction": "x"}},
            "system_instruction: it is the agent's instructions",
        ),
    ],
)
def test_what_cannot_be_is_said_with_the_way_out(model: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gemini.LLM(model, "k", **settings)


@pytest.mark.parametrize("budget", [-1, 0, 512, 24_576])
def test_budgets_that_a_model_takes(budget: int) -> None:
    gemini.LLM("gemini-2.5-flash-lite", api_key="k", thinking_budget=budget)
    gemini.LLM("gemini-2.5-flash-lite-preview-09-2025", api_key="k", thinking_budget=budget)


@pytest.mark.parametrize(
    ("model", "signs"),
    [
        ("gemini-3-pro-preview", True),
        ("models/gemini-3.1-flash-lite", True),
        ("gemini-10-ultra", True),
        ("gemini-flash-latest", True),
        ("gemini-2.5-flash-lite", False),
        ("gemini-2.0-flash", False),
        ("gemma-3-27b-it", False),
    ],
)
def test_which_models_want_their_calls_signed(model: str, signs: bool) -> None:
    assert signs_calls(model) is signs


def test_the_sdks_own_names_are_there_when_asked_for() -> None:
    assert gemini.ThinkingLevel.LOW.value == "LOW"
    assert gemini.MediaResolution.MEDIA_RESOLUTION_LOW
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        gemini.Nothing  # noqa: B018
