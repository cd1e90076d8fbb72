"""What a listener makes of a recording: the project's own ears."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

from greenroom.agent.audio import silence
from greenroom.plugins import local
from greenroom_local.recording import listen

if TYPE_CHECKING:
    from pathlib import Path

_PIECE_BYTES = 3200


async def understood(path: Path) -> str:
    """The words of a 16 kHz recording. AssertionError when it holds no speech."""
    sound = listen(path)
    assert not sound.problem, f"{path.name}: {sound.problem}"
    with wave.open(str(path), "rb") as recording:
        pcm = silence(0.3) + recording.readframes(recording.getnframes()) + silence(0.3)
    utterance = local.STT().utterance()
    for start in range(0, len(pcm), _PIECE_BYTES):
        await utterance.feed(pcm[start : start + _PIECE_BYTES])
    return await utterance.finish()
