"""The 25 figures of a session, as they stand in `status.metrics`.

The names are those that users of agent servers know; an average without a sample is absent in the object and
None in the REST API.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs


class SessionMetrics(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`…__avg` are means over the session in the unit named (None before the first sample), `…__total` sums."""

    stt_latency_ms__avg: float | None = None
    stt_audio_duration_ms__total: int = 0
    tts_latency_ms__avg: float | None = None
    tts_audio_duration_ms__total: int = 0
    tts_characters__total: int = 0
    llm_latency_ms__avg: float | None = None
    llm_time_to_first_token_ms__avg: float | None = None
    llm_input_tokens__total: int = 0
    llm_output_tokens__total: int = 0
    llm_tool_calls__total: int = 0
    llm_tool_latency_ms__avg: float | None = None
    turn_duration_ms__avg: float | None = None
    turn_trailing_silence_ms__avg: float | None = None
    realtime_audio_input_bytes__total: int = 0
    realtime_audio_output_bytes__total: int = 0
    realtime_audio_input_duration_ms__total: int = 0
    realtime_audio_output_duration_ms__total: int = 0
    realtime_user_transcriptions__total: int = 0
    realtime_agent_transcriptions__total: int = 0
    vlm_inference_latency_ms__avg: float | None = None
    vlm_inferences__total: int = 0
    vlm_input_tokens__total: int = 0
    vlm_output_tokens__total: int = 0
    video_frames_processed__total: int = 0
    video_processing_latency_ms__avg: float | None = None


def every_figure(metrics: SessionMetrics | None) -> dict[str, Any]:
    """All 25 names with their values, None included: the REST API's shape."""
    return structs.asdict(metrics or SessionMetrics())
