"""ElevenLabs' raw formats, by their names. Pure."""

from __future__ import annotations

import re

_FORMAT = re.compile(r"pcm_(\d{4,5})")


def sample_rate(output_format: str) -> int:
    """Samples a second of `output_format`. Raises :class:`ValueError` if it is not raw."""
    match = _FORMAT.fullmatch(output_format)
    if match is None or not 8000 <= int(match[1]) <= 48000:
        raise ValueError(f"output_format={output_format!r}: a call takes raw sound, for instance 'pcm_16000'")
    return int(match[1])
