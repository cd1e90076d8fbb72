"""The figures of one session, as values that only grow.

Knows nothing of agents, engines or how the figures are published. The 25 names are a public format: they
stand in `AgentSession.status.metrics` and in the answers of the REST API.

Figures leave a process in one of two forms. `to_dict` gives plain numbers, for people and clients. `weighted` gives an
average as its sum and count, so that what is restored from it can be merged and grown further.
"""

# ruff: noqa: RUF009 - the calls give dataclass fields, each with a factory of its own
from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Weighted = dict[str, int | dict[str, float]]
"""Totals as numbers, averages as `{"sum": …, "count": …}`; figures without a sample are left out."""


class Counter:
    """A whole number that grows from 0."""

    __slots__ = ("_description", "_total")
    __hash__ = None  # type: ignore[assignment]  # it changes

    def __init__(self, description: str = "") -> None:
        self._description = description
        self._total = 0

    @property
    def description(self) -> str:
        return self._description

    def inc(self, amount: int = 1) -> None:
        self._total += amount

    def value(self) -> int:
        return self._total

    def merge(self, other: Counter) -> None:
        """Add what `other` has counted."""
        self._total += other._total

    def weighted(self) -> int:
        return self._total

    def restore(self, value: Any) -> None:
        """Add a total that :meth:`value` gave. TypeError, ValueError: it is no number."""
        self._total += int(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counter) and self._total == other._total

    def __repr__(self) -> str:
        return f"Counter({self._total})"


class Average:
    """The mean of all samples so far; None before the first."""

    __slots__ = ("_count", "_description", "_sum")
    __hash__ = None  # type: ignore[assignment]  # it changes

    def __init__(self, description: str = "") -> None:
        self._description = description
        self._sum = 0.0
        self._count = 0

    @property
    def description(self) -> str:
        return self._description

    def update(self, sample: float) -> None:
        self._sum += sample
        self._count += 1

    def value(self) -> float | None:
        return self._sum / self._count if self._count else None

    def merge(self, other: Average) -> None:
        """Take in all samples of `other`."""
        self._sum += other._sum
        self._count += other._count

    def weighted(self) -> dict[str, float] | None:
        """Sum and count of the samples; None before the first."""
        return {"sum": self._sum, "count": self._count} if self._count else None

    def restore(self, value: Any) -> None:
        """Take in samples from :meth:`weighted`; a plain number is one sample.

        TypeError, ValueError, KeyError: `value` is neither.
        """
        if isinstance(value, dict):
            self._sum += float(value["sum"])
            self._count += int(value["count"])
        else:
            self.update(float(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Average) and (self._sum, self._count) == (other._sum, other._count)

    def __repr__(self) -> str:
        return f"Average({self.value()}, {self._count} samples)"


def _average(description: str) -> Average:
    return field(default_factory=lambda: Average(description))


def _counter(description: str) -> Counter:
    return field(default_factory=lambda: Counter(description))


@dataclass(frozen=True, repr=False)
class AgentMetrics:
    """All figures of one session. The fields stay, their values grow."""

    stt_latency_ms__avg: Average = _average("End of the user's turn to its final transcript, ms")
    stt_audio_duration_ms__total: Counter = _counter("Speech given to the recogniser, ms")
    tts_latency_ms__avg: Average = _average("Synthesis of one sentence, request to complete, ms")
    tts_audio_duration_ms__total: Counter = _counter("Speech synthesised, ms")
    tts_characters__total: Counter = _counter("Characters synthesised")
    llm_latency_ms__avg: Average = _average("One request to the model, to its last token, ms")
    llm_time_to_first_token_ms__avg: Average = _average("One request to the model, to its first token, ms")
    llm_input_tokens__total: Counter = _counter("Tokens sent to the model")
    llm_output_tokens__total: Counter = _counter("Tokens the model produced")
    llm_tool_calls__total: Counter = _counter("Functions called, failed ones too")
    llm_tool_latency_ms__avg: Average = _average("One function call, ms")
    turn_duration_ms__avg: Average = _average("The user's turn, first to last sound, ms")
    turn_trailing_silence_ms__avg: Average = _average("Silence that ended the user's turn, ms")
    realtime_audio_input_bytes__total: Counter = _counter("Audio sent to a realtime model, bytes")
    realtime_audio_output_bytes__total: Counter = _counter("Audio received from a realtime model, bytes")
    realtime_audio_input_duration_ms__total: Counter = _counter("Audio sent to a realtime model, ms")
    realtime_audio_output_duration_ms__total: Counter = _counter("Audio received from a realtime model, ms")
    realtime_user_transcriptions__total: Counter = _counter("Transcripts of the user by a realtime model")
    realtime_agent_transcriptions__total: Counter = _counter("Transcripts of the agent by a realtime model")
    vlm_inference_latency_ms__avg: Average = _average("One inference of a vision model, ms")
    vlm_inferences__total: Counter = _counter("Inferences of a vision model")
    vlm_input_tokens__total: Counter = _counter("Tokens sent to a vision model")
    vlm_output_tokens__total: Counter = _counter("Tokens a vision model produced")
    video_frames_processed__total: Counter = _counter("Video frames processed")
    video_processing_latency_ms__avg: Average = _average("Processing of one video frame, ms")

    def to_dict(self, fields: Iterable[str] = ()) -> dict[str, float | None]:
        """The figures by name; all of them, or those in `fields`.

        Raises :class:`ValueError` for a name that is no figure.
        """
        return {name: self._metric(name).value() for name in (tuple(fields) or FIELD_NAMES)}

    def weighted(self) -> Weighted:
        """The figures that have a sample, in the form that :meth:`from_dict` restores without loss."""
        if not any(_samples(self)):
            return {}
        values = ((name, getattr(self, name).weighted()) for name in FIELD_NAMES)
        return {name: value for name, value in values if value}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AgentMetrics:
        """Figures from :meth:`weighted`, exactly; or from :meth:`to_dict`, an average then as one sample.

        None is no sample; other names are ignored.
        """
        metrics = cls()
        for name in FIELD_NAMES:
            if (value := values.get(name)) is not None:
                metrics._metric(name).restore(value)
        return metrics

    def merge(self, other: AgentMetrics) -> None:
        """Add the figures of `other`: totals as sums, averages by their weight."""
        for name in FIELD_NAMES:
            getattr(self, name).merge(getattr(other, name))

    def copy(self) -> AgentMetrics:
        """The figures as they are now; the copy grows apart from them."""
        metrics = AgentMetrics()
        metrics.merge(self)
        return metrics

    def __repr__(self) -> str:
        sampled = (f"{name}={getattr(self, name)!r}" for name in self.weighted())
        return f"AgentMetrics({', '.join(sampled)})"

    def _metric(self, name: str) -> Counter | Average:
        if name not in FIELD_NAMES:
            raise ValueError(f"Unknown field: {name}")
        metric: Counter | Average = getattr(self, name)
        return metric


FIELD_NAMES: tuple[str, ...] = tuple(f.name for f in fields(AgentMetrics))
_samples = attrgetter(*(f"{name}._total" if name.endswith("__total") else f"{name}._count" for name in FIELD_NAMES))
