"""What Deepgram is asked for, checked before it is asked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from greenroom.agent.audio import SAMPLE_RATE

DEFAULT_EAGER_THRESHOLD = 0.5
DEFAULT_THRESHOLD = 0.7  # Deepgram's own, where none is given
UTTERANCE_END_MS = 1000  # the least that Deepgram takes


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments of :class:`greenroom.plugins.deepgram.STT` that say what to listen for."""

    model: str
    eager_turn_detection: bool
    eot_threshold: float | None
    eager_eot_threshold: float | None
    eot_timeout_ms: int | None
    endpointing_ms: int
    language: str | None
    keyterms: tuple[str, ...]

    @property
    def flux(self) -> bool:
        """Whether the model speaks v2, which finds turns by what is said."""
        return self.model.startswith("flux")

    def check(self) -> None:
        """Raises :class:`ValueError` naming what cannot be."""
        if self.eager_turn_detection and not self.flux:
            raise ValueError(f"model={self.model!r}: eager_turn_detection needs a Flux model, 'flux-general-en'")
        threshold = self._within("eot_threshold", self.eot_threshold, 0.5, 0.9)
        eager = self._within("eager_eot_threshold", self.eager_eot_threshold, 0.3, 0.9)
        if eager is not None and eager > (threshold or DEFAULT_THRESHOLD):
            raise ValueError(f"eager_eot_threshold={eager}: it may not be over eot_threshold")

    def parameters(self) -> dict[str, Any]:
        """The arguments of the SDK's `connect`; Deepgram takes all as text."""
        wanted = self._v2() if self.flux else self._v1()
        common = {"model": self.model, "encoding": "linear16", "sample_rate": str(SAMPLE_RATE)}
        return common | {name: value for name, value in wanted.items() if value is not None}

    def _v2(self) -> dict[str, Any]:
        eager = self.eager_eot_threshold
        if eager is None and self.eager_turn_detection:
            eager = min(DEFAULT_EAGER_THRESHOLD, self.eot_threshold or DEFAULT_THRESHOLD)
        return {
            "eot_threshold": _text(self.eot_threshold),
            "eager_eot_threshold": _text(eager),
            "eot_timeout_ms": _text(self.eot_timeout_ms),
            "language_hint": self.language,
            "keyterm": list(self.keyterms) or None,
        }

    def _v1(self) -> dict[str, Any]:
        return {
            "channels": "1",
            "interim_results": "true",
            "smart_format": "true",
            "vad_events": "true",
            "endpointing": str(self.endpointing_ms),
            "utterance_end_ms": str(max(UTTERANCE_END_MS, self.endpointing_ms)),
            "language": self.language,
            "keyterm": list(self.keyterms) or None,
        }

    def _within(self, name: str, value: float | None, least: float, most: float) -> float | None:
        if value is not None and not least <= value <= most:
            raise ValueError(f"{name}={value}: Deepgram takes {least} to {most}")
        return value


def addresses(base_url: str) -> tuple[str, str]:
    """`base_url`, of either scheme, for HTTP and for websockets. Raises :class:`ValueError` if it is neither."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.netloc:
        raise ValueError(f"base_url={base_url!r}: it takes an address such as https://api.deepgram.com")
    secure = parts.scheme in ("https", "wss")
    http, socket = ("https", "wss") if secure else ("http", "ws")
    rest = (parts.netloc, parts.path.rstrip("/"), "", "")
    return urlunsplit((http, *rest)), urlunsplit((socket, *rest))


def _text(value: float | None) -> str | None:
    return None if value is None else str(value)
