"""An edge with one caller of its own and, where a directory is given, a recording of the agent.

No name of a file comes from a call or a session's parameters: the directory is the agent file's choice, the
file is named after the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom.agent import calls
from greenroom.agent.participants import Participant
from greenroom.plugins.wav.recording import Recording

if TYPE_CHECKING:
    from pathlib import Path

    from greenroom.agent.calls import Call, CallSink
    from greenroom.agent.participants import User
    from greenroom.plugins.wav.caller import Caller


class Edge(calls.Edge):
    """Every call on it has `caller` in it; what the agent says is recorded into `record_dir`."""

    def __init__(self, caller: Caller, *, record_dir: Path | None = None) -> None:
        self._caller = caller
        self._record_dir = record_dir

    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> Connection:
        sounds = await self._caller.prepare()
        recording = Recording(self._record_dir, session_id) if self._record_dir is not None else None
        return Connection(self._caller, sounds, recording, sink)


class Connection(calls.Connection):
    """One call with the caller."""

    def __init__(self, caller: Caller, sounds: list[bytes], recording: Recording | None, sink: CallSink) -> None:
        self._caller = caller
        self._sounds = sounds
        self._recording = recording
        self._sink = sink
        self._participant = Participant("caller", "Caller")

    async def run(self) -> None:
        self._sink.participant_joined(self._participant)
        await self._caller.call(self._sounds, lambda pcm: self._sink.audio_received(self._participant, pcm))
        self._sink.participant_left(self._participant)

    def send_audio(self, frame: bytes) -> None:
        self._caller.hear(frame)
        if self._recording is not None:
            self._recording.add(frame)

    def clear_audio(self) -> None:
        """Nothing waits here: a frame is heard and recorded when it is sent."""

    async def leave(self) -> None:
        if self._recording is not None:
            self._recording.close()
