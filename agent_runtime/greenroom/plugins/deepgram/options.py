"""What Deepgram is asked for, checked before it is asked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from greenroom.agent.audio import SAMPLE_RATE

DEFAULT_EAGER_THRESHOLD = 0.5
DEFAULT_THRESHOLD = 0.7  # Deepgram's own, where none is given
DEFAULT_ENDPOINTING_MS = 300
UTTERANCE_END_MS = 1000  # the least that Deepgram takes


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments of :class:`greenroom.plugins.deepgram.STT` that say what to listen for."""

    model: str
    languages: tuple[str, ...] = ()
    eager_turn_detection: bool = False
    eot_threshold: float | None = None
    eager_eot_threshold: float | None = None
    eot_timeout_ms: int | None = None
    endpointing_ms: int | None = None
    keyterms: tuple[str, ...] = ()

    @property
    def flux(self) -> bool:
        """Whether the model speaks v2, which finds turns by what is said."""
        return self.model.startswith("flux")

    def check(self) -> None:
        """Raises :class:`ValueError` naming what cannot be."""
        self._check_model()
        threshold = self._within("eot_threshold", self.eot_threshold, 0.5, 1.0)
        eager = self._within("eager_eot_threshold", self.eager_eot_threshold, 0.3, 0.9)
        if eager is not None and eager > (threshold or DEFAULT_THRESHOLD):
            raise ValueError(f"eager_eot_threshold={eager}: it may not be over eot_threshold")
        self._within("eot_timeout_ms", self.eot_timeout_ms, 500, 60_000)

    def parameters(self) -> dict[str, Any]:
        """The arguments of the SDK's `connect`; Deepgram takes all as text."""
        wanted = self._v2() if self.flux else self._v1()
        common = {"model": self.model, "encoding": "linear16", "sample_rate": str(SAMPLE_RATE)}
        return common | {name: value for name, value in wanted.items() if value is not None}

    def configuration(self) -> dict[str, Any]:
        """All of it that may change on an open connection of v2, as the message that changes it."""
        thresholds = {
            "eot_threshold": self.eot_threshold,
            "eager_eot_threshold": self._eager(),
            "eot_timeout_ms": self.eot_timeout_ms,
        }
        return {
            "type": "Configure",
            "thresholds": {name: value for name, value in thresholds.items() if value is not None},
            "keyterms": list(self.keyterms),
        } | ({"language_hints": list(self.languages)} if self._hints() else {})

    def _v2(self) -> dict[str, Any]:
        return {
            "eot_threshold": _text(self.eot_threshold),
            "eager_eot_threshold": _text(self._eager()),
            "eot_timeout_ms": _text(self.eot_timeout_ms),
            "language_hint": self._hints(),
            "keyterm": list(self.keyterms) or None,
        }

    def _v1(self) -> dict[str, Any]:
        endpointing_ms = DEFAULT_ENDPOINTING_MS if self.endpointing_ms is None else self.endpointing_ms
        return {
            "channels": "1",
            "interim_results": "true",
            "smart_format": "true",
            "vad_events": "true",
            "endpointing": str(endpointing_ms),
            "utterance_end_ms": str(max(UTTERANCE_END_MS, endpointing_ms)),
            "language": self.languages[0] if self.languages else None,
            "keyterm": list(self.keyterms) or None,
        }

    def _eager(self) -> float | None:
        if self.eager_eot_threshold is None and self.eager_turn_detection:
            return min(DEFAULT_EAGER_THRESHOLD, self.eot_threshold or DEFAULT_THRESHOLD)
        return self.eager_eot_threshold

    def _hints(self) -> list[str] | None:
        """What a model of one language has no use for."""
        return list(self.languages) or None if not self.model.endswith("-en") else None

    def _check_model(self) -> None:
        model = f"model={self.model!r}"
        if self.flux:
            if self.model.endswith("-en") and not all(language.startswith("en") for language in self.languages):
                raise ValueError(f"{model}, language={self.languages}: others than English need 'flux-general-multi'")
            if self.endpointing_ms is not None:
                raise ValueError(f"{model}: endpointing_ms is for other models; Flux takes eot_timeout_ms")
            return
        if self.eager_turn_detection:
            raise ValueError(f"{model}: eager_turn_detection needs a Flux model, 'flux-general-en'")
        for name in ("eot_threshold", "eager_eot_threshold", "eot_timeout_ms"):
            if getattr(self, name) is not None:
                raise ValueError(f"{model}: {name} is for Flux models; others take endpointing_ms")
        if len(self.languages) > 1:
            raise ValueError(f"{model}, language={self.languages}: it takes one, or 'multi'")
        if self.keyterms and not self.model.startswith("nova-3"):
            raise ValueError(f"{model}: keyterms need a Flux model or Nova-3")

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
