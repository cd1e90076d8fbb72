"""The form of sound inside an agent: 16-bit little-endian mono samples, cut into frames of 20 ms.

Must not need numpy: it is imported with every agent file.
"""

from __future__ import annotations

from array import array

SAMPLE_RATE = 16_000
BYTES_PER_SAMPLE = 2
FRAME_SECONDS = 0.02
FRAME_BYTES = int(SAMPLE_RATE * FRAME_SECONDS) * BYTES_PER_SAMPLE


def seconds_of(pcm: bytes | bytearray) -> float:
    """How long `pcm` sounds, at :data:`SAMPLE_RATE`."""
    return len(pcm) / (SAMPLE_RATE * BYTES_PER_SAMPLE)


def silence(seconds: float) -> bytes:
    return bytes(int(SAMPLE_RATE * seconds) * BYTES_PER_SAMPLE)


def peak(pcm: bytes | bytearray) -> int:
    """The loudest sample, 0 to 32768."""
    samples = array("h", pcm)
    return max(max(samples), -min(samples)) if samples else 0


def duration_ms(byte_count: int) -> float:
    """How long so many bytes sound, at :data:`SAMPLE_RATE`."""
    return byte_count * 1000 / (SAMPLE_RATE * BYTES_PER_SAMPLE)
