"""What an agent said, as a wav file. Sound goes to disk as it comes; nothing is kept in memory."""

from __future__ import annotations

import re
import wave
from typing import TYPE_CHECKING

from greenroom.agent.audio import BYTES_PER_SAMPLE, SAMPLE_RATE

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})")


class RecordingError(RuntimeError):
    """The recording asked for cannot be made; the message names the path and what to change."""


class Recording:
    """`<directory>/<session id>.wav`; 16 kHz, 16-bit, mono. A file of that name is written over."""

    def __init__(self, directory: Path, session_id: str) -> None:
        if not _NAME.fullmatch(session_id):
            raise RecordingError(f"session id {session_id!r} is no file name: letters, digits, '.', '_', '-' only")
        self.path = directory / f"{session_id}.wav"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = wave.open(str(self.path), "wb")  # noqa: SIM115 - open for as long as the call
        except OSError as error:
            raise RecordingError(f"cannot record to {self.path}: {error}; make the directory writable") from error
        self._file.setnchannels(1)
        self._file.setsampwidth(BYTES_PER_SAMPLE)
        self._file.setframerate(SAMPLE_RATE)

    def add(self, pcm: bytes) -> None:
        self._file.writeframesraw(pcm)

    def close(self) -> None:
        """Write the length into the header; the file is whole now."""
        self._file.close()
