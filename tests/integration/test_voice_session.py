"""The example agent, with its real engines, through the whole stack: what was said shows in the status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.stack import FleetPlan, Stack

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane

pytestmark = pytest.mark.integration

AGENT = Path(__file__).resolve().parents[2] / "examples" / "voice_agent.py"


async def test_a_question_is_heard_and_answered(
    control_plane: ControlPlane, installed_crds: None, tmp_path: Path
) -> None:
    fleet = FleetPlan(pods=1, slots=2, agent=AGENT, environment={"GREENROOM_RECORD_DIR": str(tmp_path)})
    async with Stack(control_plane, tmp_path, [fleet]) as stack:
        started = await stack.api.start("spoken", parameters={"hang_up_after_answer": True})
        assert started.status == 201
        status = await stack.until_ended(started.session_id)
        assert (status["phase"], status["reason"]) == ("Closed", "Finished")
        assert status["metrics"]["llm_tool_calls__total"] >= 1
        assert status["metrics"]["tts_audio_duration_ms__total"] > 1000
        assert status["metrics"]["stt_latency_ms__avg"] > 0
        assert (tmp_path / f"{started.session_id}.wav").stat().st_size > 16_000
