"""Real voice engines in forked processes: loaded once by the stock, they hear and speak in every session."""

from __future__ import annotations

import asyncio
import wave
from typing import TYPE_CHECKING

import pytest
from tests.integration.isolation.stage import TimeLimits

from greenroom.agent.audio import SAMPLE_RATE
from greenroom.isolation import ProcessStock, RecipeSource
from greenroom.notices import Assignment
from greenroom_core.clock import SystemClock
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("hibari", reason="the extra `local` is not installed")


async def test_two_conversations_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from examples.voice_agent import create_agent, join_call

    monkeypatch.setenv("GREENROOM_RECORD_DIR", str(tmp_path))
    stock = ProcessStock(RecipeSource(create_agent, join_call), SystemClock(), memory_limit_bytes=512 << 20)
    limits = TimeLimits(leave_timeout_seconds=5)
    try:
        await stock.warm_up()
        parameters = {"hang_up_after_answer": True}
        lives = [stock.life(Assignment(f"s{n}", "c", "default", parameters, limits), lambda _: None) for n in range(2)]
        async with asyncio.timeout(240):
            endings = await asyncio.gather(*(life.run() for life in lives))
        for number, (life, ending) in enumerate(zip(lives, endings, strict=True)):
            assert (ending.reason, ending.message) == (EndReason.FINISHED, "")
            assert life.agent is not None
            figures = life.agent.metrics.to_dict()
            assert figures["llm_tool_calls__total"] == 1, "it has understood the question"
            assert figures["tts_characters__total"] == len("The weather in Boston is sunny and 72°F.")
            with wave.open(str(tmp_path / f"s{number}.wav")) as recording:
                assert recording.getnframes() > 2 * SAMPLE_RATE
    finally:
        await stock.close()
