"""The microphone and the loudspeaker of this machine, by the optional package sounddevice.

PortAudio calls from threads of its own; nothing of that gets out of here.
"""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any

from greenroom.agent.audio import BYTES_PER_SAMPLE, FRAME_BYTES, SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable

wanted: ContextVar[bool] = ContextVar("greenroom_console_sound", default=False)
"""Whether a person sits at this machine and is to be heard: only the console sets it, for its own session."""

_FRAME_SAMPLES = FRAME_BYTES // BYTES_PER_SAMPLE
_FORM = {"samplerate": SAMPLE_RATE, "blocksize": _FRAME_SAMPLES, "channels": 1, "dtype": "int16"}


class NoSound(Exception):
    """There is no device, or nothing to reach one with; the message says which."""


def library() -> Any:
    """The package. NoSound if it, or PortAudio below it, is not there."""
    try:
        return import_module("sounddevice")
    except ImportError:
        raise NoSound("the package sounddevice is not installed (pip install sounddevice)") from None
    except OSError as error:
        raise NoSound(f"sounddevice cannot be used: {error}") from None


class Microphone:
    """Passes 16 kHz frames of 20 ms to `hear`, on the event loop it was opened for."""

    def __init__(self, device: Any, loop: asyncio.AbstractEventLoop, hear: Callable[[bytes], None]) -> None:
        def record(frame: Any, *_: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(hear, bytes(frame))

        self._stream = _opened(device.RawInputStream, record, "no microphone")

    def close(self) -> None:
        self._stream.close()


class Loudspeaker:
    """Plays what it is given, one piece after the other."""

    def __init__(self, device: Any) -> None:
        self._waiting = bytearray()
        self._lock = threading.Lock()
        self._stream = _opened(device.RawOutputStream, self._play, "no loudspeaker")

    def play(self, frame: bytes) -> None:
        with self._lock:
            self._waiting += frame

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def close(self) -> None:
        self._stream.close()

    def _play(self, out: Any, *_: object) -> None:
        with self._lock:
            piece = bytes(self._waiting[: len(out)])
            del self._waiting[: len(out)]
        out[:] = piece.ljust(len(out), b"\0")


def _opened(stream: Callable[..., Any], callback: Callable[..., None], lack: str) -> Any:
    try:
        opened = stream(callback=callback, **_FORM)
        opened.start()
    except Exception as error:  # PortAudio's errors share no class with those of a system without it
        raise NoSound(f"{lack}: {error}") from None
    return opened
