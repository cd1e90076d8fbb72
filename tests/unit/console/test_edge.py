"""The console's edge: sound in and out where there is a device, and one clear sentence where there is none."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from tests.unit.console.sounding import Card

from greenroom import console
from greenroom.agent import Call, Participant, User
from greenroom.agent.audio import FRAME_BYTES
from greenroom.console import sound

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.agent import Connection

FRAME = b"\x01\x02" * (FRAME_BYTES // 2)


class Sink:
    def __init__(self) -> None:
        self.there: list[str] = []
        self.heard = bytearray()
        self.changed = asyncio.Event()

    def participant_joined(self, participant: Participant) -> None:
        self.there.append(participant.name)
        self.changed.set()

    def participant_left(self, participant: Participant) -> None:
        self.there.remove(participant.name)

    def audio_received(self, participant: Participant, pcm: bytes) -> None:
        self.heard += pcm
        self.changed.set()

    def call_ended(self) -> None:
        raise AssertionError

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await self.changed.wait()
                self.changed.clear()


async def joined(card: object, monkeypatch: pytest.MonkeyPatch, sink: Sink) -> tuple[console.Edge, Connection]:
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    sound.wanted.set(True)
    edge = console.Edge()
    return edge, await edge.join(Call("default", "c"), User(), "s", sink)


async def test_what_the_microphone_hears_goes_to_the_agent_and_its_voice_to_the_loudspeaker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card, sink = Card(), Sink()
    edge, connection = await joined(card, monkeypatch, sink)
    assert edge.sound_line.startswith("microphone and loudspeaker are on: speak, or type")
    assert [stream.form for stream in card.opened] == [
        {"samplerate": 16_000, "blocksize": 320, "channels": 1, "dtype": "int16"}
    ] * 2
    running = asyncio.create_task(connection.run())
    await sink.until(lambda: sink.there == ["You"])
    card.record(FRAME)
    await sink.until(lambda: bytes(sink.heard) == FRAME)
    assert card.play() == bytes(FRAME_BYTES)
    connection.send_audio(FRAME)
    connection.send_audio(b"\x05" * 10)
    assert card.play() == FRAME
    assert card.play() == (b"\x05" * 10).ljust(FRAME_BYTES, b"\0")
    connection.send_audio(FRAME)
    connection.clear_audio()
    assert card.play() == bytes(FRAME_BYTES)
    running.cancel()
    await connection.leave()
    assert [stream.running for stream in card.opened] == [False, False]


@pytest.mark.parametrize(
    ("card", "line"),
    [
        (None, "no sound: the package sounddevice is not installed (pip install sounddevice); typing works"),
        (Card(microphone=False), "no microphone: Error querying device -1; typing works"),
        (Card(loudspeaker=False), "no loudspeaker: Error querying device -1; typing works"),
    ],
)
async def test_what_there_is_not_is_told_and_typing_works(
    card: Card | None, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge, connection = await joined(card, monkeypatch, Sink())
    assert edge.sound_line == line
    connection.send_audio(FRAME)
    connection.clear_audio()
    await connection.leave()


async def test_a_portaudio_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(sound, "import_module", missing)
    sound.wanted.set(True)
    edge = console.Edge()
    await edge.join(Call("default", "c"), User(), "s", Sink())
    assert edge.sound_line == "no sound: sounddevice cannot be used: PortAudio library not found; typing works"


async def test_a_server_that_runs_such_an_agent_touches_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    card, sink = Card(), Sink()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    sound.wanted.set(False)
    connection = await console.Edge().join(Call("default", "c"), User(), "s", sink)
    running = asyncio.create_task(connection.run())
    connection.send_audio(FRAME)
    await asyncio.sleep(0)
    running.cancel()
    await connection.leave()
    assert (card.opened, sink.there) == ([], [])
