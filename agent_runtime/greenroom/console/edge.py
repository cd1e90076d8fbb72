"""An edge for one person at this machine: their microphone in, their loudspeaker out.

Sound is there only in a console's session; a server or a pod that runs such an agent has a silent call.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom.agent import calls
from greenroom.agent.participants import Participant
from greenroom.console import sound
from greenroom.console.sound import Loudspeaker, Microphone, NoSound

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.agent.calls import Call, CallSink
    from greenroom.agent.participants import User

SPEAKER = Participant("microphone", "You")


class Edge(calls.Edge):
    """A call with whoever sits here. `sound_line` says, after the join, what of sound there is."""

    def __init__(self) -> None:
        self.sound_line = "sound is off; typing works"

    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> Connection:
        def hear(frame: bytes) -> None:
            sink.audio_received(SPEAKER, frame)

        connection = Connection(sink)
        if sound.wanted.get():
            loop = asyncio.get_running_loop()
            self.sound_line = await asyncio.to_thread(connection.open, loop, hear)
        return connection


class Connection(calls.Connection):
    """The call, with as much sound as there is."""

    def __init__(self, sink: CallSink) -> None:
        self._sink = sink
        self._microphone: Microphone | None = None
        self._loudspeaker: Loudspeaker | None = None

    def open(self, loop: asyncio.AbstractEventLoop, hear: Callable[[bytes], None]) -> str:
        """Opens the devices, which takes a while; a sentence on what there is now."""
        lacks = []
        try:
            device = sound.library()
        except NoSound as problem:
            return f"no sound: {problem}; typing works"
        try:
            self._loudspeaker = Loudspeaker(device)
        except NoSound as problem:
            lacks.append(str(problem))
        try:
            self._microphone = Microphone(device, loop, hear)
        except NoSound as problem:
            lacks.append(str(problem))
        if lacks:
            return f"{'; '.join(lacks)}; typing works"
        return "microphone and loudspeaker are on: speak, or type (with headphones the agent does not hear itself)"

    async def run(self) -> None:
        if self._microphone is not None:
            self._sink.participant_joined(SPEAKER)
        await asyncio.Event().wait()  # until the agent leaves

    def send_audio(self, frame: bytes) -> None:
        if self._loudspeaker is not None:
            self._loudspeaker.play(frame)

    def clear_audio(self) -> None:
        if self._loudspeaker is not None:
            self._loudspeaker.clear()

    async def leave(self) -> None:
        for device in (self._microphone, self._loudspeaker):
            if device is not None:
                await asyncio.to_thread(device.close)
