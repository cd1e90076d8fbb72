"""Opus by libopus itself, at 16 kHz mono.

FFmpeg's way to the same library (`av`) resamples from and to 48 kHz and starts threads for each call. The library is
the one inside av's wheel, or else the system's. Called with the interpreter's lock held: a call takes 0.02 to 0.06 ms,
and to get the lock back from a busy thread takes up to 5.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom.agent.audio import BYTES_PER_SAMPLE, SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

BIT_RATE = 40_000
COMPLEXITY = 5  # of 10; less than half the work of the highest
MAX_PACKET_BYTES = 1_275
MAX_PACKET_SAMPLES = SAMPLE_RATE * 120 // 1000

_MONO = 1
_RESTRICTED_LOWDELAY = 2051  # all of CELT: half the work of the speech mode, and 4 ms sooner
_SET_BITRATE, _SET_COMPLEXITY = 4002, 4010


class OpusError(OSError):
    """The library is not there, or refuses what it is given."""


class Encoder:
    """Of one stream. Its memory is its own: there is nothing to close."""

    def __init__(self) -> None:
        self._opus = library()
        self._state = ctypes.create_string_buffer(self._opus.opus_encoder_get_size(_MONO))
        _checked(self._opus.opus_encoder_init(self._state, SAMPLE_RATE, _MONO, _RESTRICTED_LOWDELAY))
        for request, value in ((_SET_BITRATE, BIT_RATE), (_SET_COMPLEXITY, COMPLEXITY)):
            _checked(self._opus.opus_encoder_ctl(self._state, request, ctypes.c_int32(value)))
        self._packet = ctypes.create_string_buffer(MAX_PACKET_BYTES)

    def encode(self, pcm: bytes) -> bytes:
        """One packet for 2.5, 5, 10, 20, 40 or 60 ms of sound."""
        samples = len(pcm) // BYTES_PER_SAMPLE
        size = _checked(self._opus.opus_encode(self._state, pcm, samples, self._packet, MAX_PACKET_BYTES))
        return ctypes.string_at(self._packet, size)


class Decoder:
    """Of one stream."""

    def __init__(self) -> None:
        self._opus = library()
        self._state = ctypes.create_string_buffer(self._opus.opus_decoder_get_size(_MONO))
        _checked(self._opus.opus_decoder_init(self._state, SAMPLE_RATE, _MONO))
        self._pcm = ctypes.create_string_buffer(MAX_PACKET_SAMPLES * BYTES_PER_SAMPLE)
        self._samples = SAMPLE_RATE // 50

    def decode(self, packet: bytes) -> bytes:
        """The sound of `packet`. Raises :class:`OpusError` if it is none."""
        self._samples = self._decoded(packet, MAX_PACKET_SAMPLES)
        return ctypes.string_at(self._pcm, self._samples * BYTES_PER_SAMPLE)

    def conceal(self) -> bytes:
        """What may have been in a packet that is lost, as long as the one before it."""
        return ctypes.string_at(self._pcm, self._decoded(None, self._samples) * BYTES_PER_SAMPLE)

    def _decoded(self, packet: bytes | None, samples: int) -> int:
        return _checked(self._opus.opus_decode(self._state, packet, len(packet or b""), self._pcm, samples, 0))


@cache
def library() -> ctypes.PyDLL:
    """Raises :class:`OpusError` if there is none."""
    for name in _names():
        try:
            opus = ctypes.PyDLL(name)
        except OSError:
            continue
        pointer, number = ctypes.c_void_p, ctypes.c_int
        # Also what keeps the variable arguments of `ctl` right on Apple's processors.
        opus.opus_encoder_init.argtypes = [pointer, ctypes.c_int32, number, number]
        opus.opus_encoder_ctl.argtypes = [pointer, number]
        opus.opus_encode.argtypes = [pointer, ctypes.c_char_p, number, pointer, ctypes.c_int32]
        opus.opus_decoder_init.argtypes = [pointer, ctypes.c_int32, number]
        opus.opus_decode.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int32, pointer, number, number]
        return opus
    raise OpusError("local.Edge needs the library opus: it comes with the wheel of av, or as the system's libopus0")


def _names() -> Iterator[str]:
    spec = find_spec("av")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        for folder in (package.parent / "av.libs", package / ".dylibs"):  # as wheels have it on Linux and on macOS
            yield from (str(path) for path in sorted(folder.glob("libopus*")))
    if found := ctypes.util.find_library("opus"):
        yield found


def _checked(result: int) -> int:
    if result < 0:
        raise OpusError(f"libopus refused: error {result}")
    return result
