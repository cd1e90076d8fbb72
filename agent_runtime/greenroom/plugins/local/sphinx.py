"""The C interface of pocketsphinx, called so that Python's lock is free meanwhile.

The wheel's Python layer holds that lock while it decodes, which stops every session of a process for up to
100 ms; the library in the same wheel is called directly instead. Blocking: call it in a thread, and one
decoder from one thread at a time.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from greenroom.agent.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from greenroom.plugins.local.shared import shared

_POINTER, _TEXT, _INT, _SIZE, _REAL = (
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_size_t,
    ctypes.c_double,
)

# The extra `local` leaves pocketsphinx out from here on, as pyproject.toml says.
_WITHOUT_WHEEL = (3, 14)

# Function: result, arguments; from the library's public header (version 5).
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "err_set_loglevel_str": (_TEXT, _TEXT),
    "ps_config_init": (_POINTER, _POINTER),
    "ps_config_free": (_INT, _POINTER),
    "ps_config_set_str": (_POINTER, _POINTER, _TEXT, _TEXT),
    "ps_config_set_int": (_POINTER, _POINTER, _TEXT, ctypes.c_long),
    "ps_config_set_bool": (_POINTER, _POINTER, _TEXT, _INT),
    "ps_config_set_float": (_POINTER, _POINTER, _TEXT, _REAL),
    "ps_init": (_POINTER, _POINTER),
    "ps_free": (_INT, _POINTER),
    "ps_start_utt": (_INT, _POINTER),
    "ps_process_raw": (_INT, _POINTER, _TEXT, _SIZE, _INT, _INT),
    "ps_end_utt": (_INT, _POINTER),
    "ps_get_hyp": (_TEXT, _POINTER, _POINTER),
    "ps_set_cmn": (_INT, _POINTER, _TEXT),
}
# A narrower search and no second pass: 0.07 of real time instead of 0.2, and 4 ms instead of 60 to end an utterance.
# On six clear sentences of 56 words both got 54 right.
_PRUNING = {"maxhmmpf": 3000, "maxwpf": 10, "topn": 2}
_NEUTRAL_CHANNEL = b"40,3,-1"  # the model's own first guess at a microphone


class SphinxError(RuntimeError):
    """The recogniser refused; the message says which of its functions did."""


class Decoder:
    """One recogniser: about 90 MB, half a second to load. Hears one utterance at a time."""

    def __init__(self) -> None:
        self._library, model = shared("pocketsphinx", _load)
        config = self._library.ps_config_init(None)
        try:
            self._configure(config, model)
            self._handle = self._library.ps_init(config)
        finally:
            self._library.ps_config_free(config)
        if not self._handle:
            raise SphinxError(f"pocketsphinx could not load its model from {model}")

    def start(self) -> None:
        """Begin an utterance, with nothing left of the one before or its speaker."""
        self._check("ps_set_cmn", self._library.ps_set_cmn(self._handle, _NEUTRAL_CHANNEL))
        self._check("ps_start_utt", self._library.ps_start_utt(self._handle))

    def feed(self, pcm: bytes) -> str:
        """Hear `pcm`; the text so far."""
        samples = len(pcm) // BYTES_PER_SAMPLE
        self._check("ps_process_raw", self._library.ps_process_raw(self._handle, pcm, samples, 0, 0))
        return self._text()

    def finish(self) -> str:
        """End the utterance; its text."""
        self._check("ps_end_utt", self._library.ps_end_utt(self._handle))
        return self._text()

    def free(self) -> None:
        self._library.ps_free(self._handle)
        self._handle = None

    def _configure(self, config: int, model: Path) -> None:
        for name, file in (("hmm", "en-us"), ("lm", "en-us.lm.bin"), ("dict", "cmudict-en-us.dict")):
            self._library.ps_config_set_str(config, name.encode(), str(model / file).encode())
        self._library.ps_config_set_str(config, b"loglevel", b"FATAL")
        self._library.ps_config_set_float(config, b"samprate", float(SAMPLE_RATE))
        for name, limit in _PRUNING.items():
            self._library.ps_config_set_int(config, name.encode(), limit)
        self._library.ps_config_set_bool(config, b"fwdflat", 0)

    def _text(self) -> str:
        text: bytes | None = self._library.ps_get_hyp(self._handle, None)
        return text.decode() if text else ""

    def _check(self, function: str, result: int) -> None:
        if result < 0:
            raise SphinxError(f"pocketsphinx: {function} failed with {result}")


def missing(python: tuple[int, ...]) -> ImportError:
    """What to say where pocketsphinx is not installed, on a Python such as ``(3, 13)``."""
    way_out = "pip install 'greenroom[local]'"
    if python >= _WITHOUT_WHEEL:
        here = ".".join(map(str, python))
        other_ears = "local.Whisper: pip install 'greenroom[whisper]'"
        way_out = f"it has no wheel for Python {here}, so take Python 3.13, or {other_ears}"
    return ImportError(f"local.STT needs pocketsphinx: {way_out}", name="pocketsphinx")


def _load() -> tuple[ctypes.CDLL, Path]:
    spec = find_spec("pocketsphinx")
    extension = find_spec("pocketsphinx._pocketsphinx") if spec else None
    if extension is None or extension.origin is None:
        raise missing(sys.version_info[:2])
    library = ctypes.CDLL(extension.origin)
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.err_set_loglevel_str(b"FATAL")
    return library, Path(extension.origin).parent / "model" / "en-us"
