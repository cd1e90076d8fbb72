"""The 25 figures: their names are a public format."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from greenroom.observability import AgentMetrics, Average, Counter, MetricsCollector
from greenroom.observability.process import PART_ERRORS
from greenroom.runtime.figures import RuntimeFigures

NAMES = [
    "stt_latency_ms__avg",
    "stt_audio_duration_ms__total",
    "tts_latency_ms__avg",
    "tts_audio_duration_ms__total",
    "tts_characters__total",
    "llm_latency_ms__avg",
    "llm_time_to_first_token_ms__avg",
    "llm_input_tokens__total",
    "llm_output_tokens__total",
    "llm_tool_calls__total",
    "llm_tool_latency_ms__avg",
    "turn_duration_ms__avg",
    "turn_trailing_silence_ms__avg",
    "realtime_audio_input_bytes__total",
    "realtime_audio_output_bytes__total",
    "realtime_audio_input_duration_ms__total",
    "realtime_audio_output_duration_ms__total",
    "realtime_user_transcriptions__total",
    "realtime_agent_transcriptions__total",
    "vlm_inference_latency_ms__avg",
    "vlm_inferences__total",
    "vlm_input_tokens__total",
    "vlm_output_tokens__total",
    "video_frames_processed__total",
    "video_processing_latency_ms__avg",
]


def test_a_new_agent_has_the_25_figures_totals_0_and_averages_none() -> None:
    figures = AgentMetrics().to_dict()
    assert list(figures) == NAMES
    assert len(NAMES) == 25
    assert {value for name, value in figures.items() if name.endswith("__total")} == {0}
    assert {value for name, value in figures.items() if name.endswith("__avg")} == {None}


def test_every_figure_says_what_it_is() -> None:
    metrics = AgentMetrics()
    assert all(getattr(metrics, name).description for name in NAMES)


def test_counters_and_averages_count() -> None:
    counter, average = Counter("c"), Average("a")
    counter.inc(2)
    counter.inc()
    average.update(100)
    average.update(200)
    assert (counter.value(), average.value()) == (3, 150)
    assert (counter.description, average.description) == ("c", "a")


def test_to_dict_gives_the_fields_asked_for_and_refuses_unknown_ones() -> None:
    assert AgentMetrics().to_dict(["tts_characters__total"]) == {"tts_characters__total": 0}
    with pytest.raises(ValueError, match="Unknown field: nonsense"):
        AgentMetrics().to_dict(["nonsense"])


def test_from_dict_keeps_totals_exactly_and_averages_as_one_sample() -> None:
    metrics = AgentMetrics.from_dict({"llm_input_tokens__total": 7, "llm_latency_ms__avg": 12.5, "other": 1.0})
    assert metrics.to_dict(["llm_input_tokens__total", "llm_latency_ms__avg", "stt_latency_ms__avg"]) == {
        "llm_input_tokens__total": 7,
        "llm_latency_ms__avg": 12.5,
        "stt_latency_ms__avg": None,
    }
    metrics.llm_latency_ms__avg.update(13.5)
    assert metrics.llm_latency_ms__avg.value() == 13.0


def test_a_report_changes_the_part_and_all_above_it() -> None:
    agent = MetricsCollector()
    part = MetricsCollector(agent)
    sibling = MetricsCollector(agent)
    part.on_llm_response(latency_ms=10, time_to_first_token_ms=4, input_tokens=3, output_tokens=2)
    sibling.on_llm_response(latency_ms=20)
    assert part.metrics.llm_latency_ms__avg.value() == 10
    assert agent.metrics.llm_latency_ms__avg.value() == 15
    assert agent.metrics.llm_time_to_first_token_ms__avg.value() == 4
    assert agent.metrics.llm_input_tokens__total.value() == 3


def test_each_report_feeds_its_figures() -> None:
    collector = MetricsCollector()
    collector.on_stt_transcript(processing_time_ms=1, audio_duration_ms=2.9)
    collector.on_tts_synthesis(synthesis_time_ms=3, audio_duration_ms=4.2, character_count=5)
    collector.on_llm_response(latency_ms=6, time_to_first_token_ms=7, input_tokens=8, output_tokens=9)
    collector.on_tool_call(execution_time_ms=10)
    collector.on_turn_ended(duration_ms=11, trailing_silence_ms=12)
    collector.on_realtime_audio_input(13, 14.7)
    collector.on_realtime_audio_output(15, 16.1)
    collector.on_realtime_user_transcription()
    collector.on_realtime_agent_transcription()
    collector.on_vlm_inference(latency_ms=17, input_tokens=18, output_tokens=19, frames_processed=20)
    collector.on_video_detection(inference_time_ms=21)
    assert list(collector.metrics.to_dict().values()) == [
        *(1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 10, 11, 12),
        *(13, 15, 14, 16, 1, 1, 17, 1, 18, 19, 21, 21),
    ]


def test_a_collector_can_move_but_not_be_its_own_ancestor() -> None:
    old, new, part = MetricsCollector(), MetricsCollector(), MetricsCollector()
    part.merge(old)
    part.merge(old)
    part.merge(new)
    part.on_tool_call()
    assert (old.metrics.llm_tool_calls__total.value(), new.metrics.llm_tool_calls__total.value()) == (0, 1)
    for child, parent in ((new, part), (part, part)):
        with pytest.raises(ValueError, match="own ancestor"):
            child.merge(parent)


def test_errors_are_counted_and_are_in_no_figure() -> None:
    agent = MetricsCollector()
    part = MetricsCollector(agent)
    part.on_stt_error()
    part.on_llm_error()
    part.on_llm_error()
    assert agent.errors == {"llm": 2, "stt": 1, "tts": 0, "vlm": 0, "realtime": 0, "processor": 0}
    assert agent.metrics.to_dict() == AgentMetrics().to_dict()


def test_errors_of_all_sessions_are_told_to_prometheus_once_each() -> None:
    registry = CollectorRegistry()
    registry.register(PART_ERRORS)

    def told() -> float:
        return registry.get_sample_value("greenroom_agent_errors_total", {"part": "tts"}) or 0.0

    before = told()
    for _ in range(2):
        MetricsCollector(MetricsCollector()).on_tts_error()
    assert told() - before == 2
    for text in (RuntimeFigures().text(), RuntimeFigures().text()):
        assert b'greenroom_agent_errors_total{part="tts"}' in text
