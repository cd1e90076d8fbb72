"""Where components report what they did: each has a collector, the agent's is the parent of all.

A report changes the component's own figures, then those of its parents. Errors are reports too: no
session's figures hold them, but a process counts them all, for Prometheus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom.observability.metrics import AgentMetrics, Average, Counter
from greenroom.observability.process import PART_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = ("llm", "stt", "tts", "vlm", "realtime", "processor")


class MetricsCollector:
    """Takes reports for one component and passes them on to its parents."""

    def __init__(self, parent: MetricsCollector | None = None) -> None:
        self._metrics = AgentMetrics()
        self._parent: MetricsCollector | None = None
        self._errors = {part: Counter(f"Errors of {part}") for part in PARTS}
        if parent is not None:
            self.merge(parent)

    @property
    def metrics(self) -> AgentMetrics:
        return self._metrics

    @property
    def parent(self) -> MetricsCollector | None:
        return self._parent

    @property
    def errors(self) -> dict[str, int]:
        """Errors so far by part (:data:`PARTS`)."""
        return {part: counter.value() for part, counter in self._errors.items()}

    def merge(self, parent: MetricsCollector) -> None:
        """Report to `parent` from now on. Raises :class:`ValueError` if that would close a circle."""
        if any(ancestor is self for ancestor in parent._chain()):
            raise ValueError("a metrics collector cannot be its own ancestor: merge it into another one")
        self._parent = parent

    def on_stt_transcript(
        self, processing_time_ms: float | None = None, audio_duration_ms: float | None = None
    ) -> None:
        for metrics in self._all():
            _sample(metrics.stt_latency_ms__avg, processing_time_ms)
            _add(metrics.stt_audio_duration_ms__total, audio_duration_ms)

    def on_tts_synthesis(
        self,
        synthesis_time_ms: float | None = None,
        audio_duration_ms: float | None = None,
        character_count: int | None = None,
    ) -> None:
        for metrics in self._all():
            _sample(metrics.tts_latency_ms__avg, synthesis_time_ms)
            _add(metrics.tts_audio_duration_ms__total, audio_duration_ms)
            _add(metrics.tts_characters__total, character_count)

    def on_llm_response(
        self,
        latency_ms: float | None = None,
        time_to_first_token_ms: float | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> None:
        for metrics in self._all():
            _sample(metrics.llm_latency_ms__avg, latency_ms)
            _sample(metrics.llm_time_to_first_token_ms__avg, time_to_first_token_ms)
            _add(metrics.llm_input_tokens__total, input_tokens)
            _add(metrics.llm_output_tokens__total, output_tokens)

    def on_tool_call(self, execution_time_ms: float | None = None) -> None:
        """One function was called, whether it failed or not."""
        for metrics in self._all():
            metrics.llm_tool_calls__total.inc()
            _sample(metrics.llm_tool_latency_ms__avg, execution_time_ms)

    def on_turn_ended(self, duration_ms: float | None = None, trailing_silence_ms: float | None = None) -> None:
        for metrics in self._all():
            _sample(metrics.turn_duration_ms__avg, duration_ms)
            _sample(metrics.turn_trailing_silence_ms__avg, trailing_silence_ms)

    def on_realtime_audio_input(self, byte_count: int, duration_ms: float | None = None) -> None:
        for metrics in self._all():
            metrics.realtime_audio_input_bytes__total.inc(byte_count)
            _add(metrics.realtime_audio_input_duration_ms__total, duration_ms)

    def on_realtime_audio_output(self, byte_count: int, duration_ms: float | None = None) -> None:
        for metrics in self._all():
            metrics.realtime_audio_output_bytes__total.inc(byte_count)
            _add(metrics.realtime_audio_output_duration_ms__total, duration_ms)

    def on_realtime_user_transcription(self) -> None:
        for metrics in self._all():
            metrics.realtime_user_transcriptions__total.inc()

    def on_realtime_agent_transcription(self) -> None:
        for metrics in self._all():
            metrics.realtime_agent_transcriptions__total.inc()

    def on_vlm_inference(
        self,
        latency_ms: float | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        frames_processed: int = 0,
    ) -> None:
        for metrics in self._all():
            metrics.vlm_inferences__total.inc()
            _sample(metrics.vlm_inference_latency_ms__avg, latency_ms)
            _add(metrics.vlm_input_tokens__total, input_tokens)
            _add(metrics.vlm_output_tokens__total, output_tokens)
            if frames_processed > 0:
                metrics.video_frames_processed__total.inc(frames_processed)

    def on_video_detection(self, inference_time_ms: float | None = None) -> None:
        for metrics in self._all():
            metrics.video_frames_processed__total.inc()
            _sample(metrics.video_processing_latency_ms__avg, inference_time_ms)

    def on_llm_error(self) -> None:
        self._count_error("llm")

    def on_stt_error(self) -> None:
        self._count_error("stt")

    def on_tts_error(self) -> None:
        self._count_error("tts")

    def on_vlm_error(self) -> None:
        self._count_error("vlm")

    def on_realtime_error(self) -> None:
        self._count_error("realtime")

    def on_processor_error(self) -> None:
        self._count_error("processor")

    def _count_error(self, part: str) -> None:
        PART_ERRORS.labels(part).inc()
        for collector in self._chain():
            collector._errors[part].inc()

    def _all(self) -> Iterator[AgentMetrics]:
        return (collector._metrics for collector in self._chain())

    def _chain(self) -> Iterator[MetricsCollector]:
        collector: MetricsCollector | None = self
        while collector is not None:
            yield collector
            collector = collector._parent


def _sample(average: Average, value: float | None) -> None:
    if value is not None:
        average.update(value)


def _add(counter: Counter, value: float | None) -> None:
    if value is not None:
        counter.inc(int(value))
