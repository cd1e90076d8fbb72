"""Sound in both directions, without a network: Opus, pace, silence, losses."""

from __future__ import annotations

import asyncio
import itertools
import math
from array import array
from types import SimpleNamespace
from typing import Any

import pytest
from tests.fakes.virtual_time import VirtualClock, run_virtual

pytest.importorskip("aiortc", reason="the extra `webrtc` is not installed")

from aiortc.mediastreams import MediaStreamError

from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS, SAMPLE_RATE, peak, seconds_of
from greenroom.plugins.local.webrtc.ears import Ears
from greenroom.plugins.local.webrtc.opus import Decoder, Encoder, OpusError
from greenroom.plugins.local.webrtc.voice import CAPACITY_FRAMES, LEAD_SECONDS, OPENING_FRAMES, TAIL_FRAMES, Voice

OPUS = 111


def tone(seconds: float, hertz: float = 440.0) -> bytes:
    samples = int(SAMPLE_RATE * seconds)
    return array("h", (int(9_000 * math.sin(2 * math.pi * hertz * n / SAMPLE_RATE)) for n in range(samples))).tobytes()


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[start : start + FRAME_BYTES] for start in range(0, len(pcm), FRAME_BYTES)]


# --- Opus ---


def test_what_is_encoded_is_decoded_again() -> None:
    encoder, decoder = Encoder(), Decoder()
    packets = [encoder.encode(frame) for frame in frames(tone(1.0))]
    heard = array("h", b"".join(decoder.decode(packet) for packet in packets))
    assert len(heard) == SAMPLE_RATE
    crossings = sum(1 for one, after in itertools.pairwise(heard) if one < 0 <= after)
    assert crossings == pytest.approx(440, abs=3)
    assert sum(map(len, packets)) < 6_000


def test_rubbish_is_an_error_and_harms_nothing_after_it() -> None:
    decoder = Decoder()
    good = Encoder().encode(tone(0.02))
    for rubbish in (b"\xff" * 40, b"\x03", b"\x0b\xff\xff"):
        with pytest.raises(OpusError):
            decoder.decode(rubbish)
    assert seconds_of(decoder.decode(good)) == 0.02


# --- out ---


async def packets_of(voice: Voice, clock: VirtualClock, out: list[tuple[float, int, bytes]]) -> None:
    while True:
        packet = await voice.recv()
        out.append((clock.boot(), packet.pts, bytes(packet)))


def spoken(scene: Any, limit_seconds: float = 600.0) -> list[tuple[float, int, bytes]]:
    """What goes out (when, with which time stamp, what) while `scene(voice)` runs, and for 30 s after it."""

    async def run() -> list[tuple[float, int, bytes]]:
        clock = VirtualClock()
        voice = Voice(clock)
        out: list[tuple[float, int, bytes]] = []
        sending = asyncio.create_task(packets_of(voice, clock, out))
        await asyncio.sleep(5.0)
        assert len(out) == OPENING_FRAMES
        out.clear()
        began = clock.boot()
        await scene(voice)
        await asyncio.sleep(30.0)
        sending.cancel()
        return [(at - began, stamp, packet) for at, stamp, packet in out]

    return run_virtual(run(), limit_seconds=limit_seconds)


def test_sound_goes_out_at_once_in_real_time_and_then_nothing_does() -> None:
    async def answer(voice: Voice) -> None:
        for number, frame in enumerate(frames(tone(1.0))):
            voice.send(frame)
            if number >= 2:  # as the agent does: 40 ms ahead
                await asyncio.sleep(0.02)

    out = spoken(answer)
    assert len(out) == 50 + TAIL_FRAMES
    assert out[0][0] == pytest.approx(0.0, abs=0.001)
    for number, (at, stamp, _) in enumerate(out):
        ahead = number * FRAME_SECONDS - at
        assert (0 if number < 50 else -FRAME_SECONDS) - 0.001 <= ahead <= LEAD_SECONDS + 0.001, number
        assert stamp - out[0][1] == 960 * number


def test_time_stamps_go_on_through_a_silence() -> None:
    async def twice(voice: Voice) -> None:
        voice.send(tone(0.02))
        await asyncio.sleep(10.0)
        voice.send(tone(0.02))

    out = spoken(twice)
    assert len(out) == 2 * (1 + TAIL_FRAMES)
    first, second = out[0], out[1 + TAIL_FRAMES]
    assert second[0] - first[0] == pytest.approx(10.0, abs=0.001)
    assert second[1] - first[1] == pytest.approx(480_000, abs=48)


def test_what_waits_is_taken_back() -> None:
    async def interrupted(voice: Voice) -> None:
        for frame in frames(tone(0.06)):
            voice.send(frame)
        await asyncio.sleep(0)  # what is due until the next beat is on its way now
        voice.clear()

    out = spoken(interrupted)
    decoder = Decoder()
    heard = [decoder.decode(packet) for _, _, packet in out]
    assert len(out) == 2 + TAIL_FRAMES
    assert [peak(pcm) > 1000 for pcm in heard[:2]] == [True, True]
    assert peak(heard[-1]) < 100


def test_frames_that_come_too_fast_are_dropped_and_counted() -> None:
    voices: list[Voice] = []

    async def flood(voice: Voice) -> None:
        voices.append(voice)
        for frame in frames(tone(1.0)):
            voice.send(frame)

    assert len(spoken(flood)) == 2 + CAPACITY_FRAMES + TAIL_FRAMES
    assert voices[0].dropped == 50 - 2 - CAPACITY_FRAMES


def test_before_anybody_listens_nothing_is_kept() -> None:
    async def alone() -> None:
        clock = VirtualClock()
        voice = Voice(clock)
        voice.send(tone(0.02))
        out: list[tuple[float, int, bytes]] = []
        sending = asyncio.create_task(packets_of(voice, clock, out))
        await asyncio.sleep(5.0)
        sending.cancel()
        decoder = Decoder()
        assert [peak(decoder.decode(packet)) for _, _, packet in out] == [0] * OPENING_FRAMES
        voice.stop()
        with pytest.raises(MediaStreamError):
            await voice.recv()

    run_virtual(alone())


# --- in ---


class Sender:
    """A browser's stream, as packets to be handed in."""

    def __init__(self, stream: int = 1) -> None:
        self._encoder = Encoder()
        self._stream = stream
        self._number = 65_530  # it runs over soon

    def packet(self, frame: bytes = b"", payload: bytes | None = None, payload_type: int = OPUS) -> Any:
        self._number = (self._number + 1) % 65_536
        return SimpleNamespace(
            payload_type=payload_type,
            ssrc=self._stream,
            sequence_number=self._number,
            payload=self._encoder.encode(frame) if payload is None else payload,
        )


async def listening(clock: VirtualClock) -> tuple[Ears, bytearray]:
    """Ears that stand in for a receiver, as the library would begin with them."""
    heard = bytearray()
    ears = Ears(heard.extend, clock)
    registered: list[object] = []
    transport = SimpleNamespace(_register_rtp_receiver=lambda receiver, parameters: registered.append(receiver))
    receiver = SimpleNamespace(transport=transport, receive=None)
    ears.stand_in_for(receiver)
    await receiver.receive(SimpleNamespace(codecs=[SimpleNamespace(payloadType=OPUS)]))
    assert registered == [ears]
    return ears, heard


def test_what_comes_in_order_is_heard_at_once() -> None:
    async def scene() -> None:
        ears, heard = await listening(VirtualClock())
        sender = Sender()
        for number, frame in enumerate(frames(tone(0.5)), 1):
            await ears._handle_rtp_packet(sender.packet(frame), 0)
            assert seconds_of(heard) == pytest.approx(number * 0.02)
        assert peak(heard) > 5_000
        assert ears.lost == 0

    run_virtual(scene())


def test_what_is_lost_is_made_up_for_and_counted() -> None:
    async def scene() -> None:
        ears, heard = await listening(VirtualClock())
        sender = Sender()
        packets = [sender.packet(frame) for frame in frames(tone(1.0))]
        for packet in packets[:10] + packets[12:]:
            await ears._handle_rtp_packet(packet, 0)
        await ears._handle_rtp_packet(sender.packet(payload=b"\xff" * 30), 0)
        assert ears.lost == 3
        assert seconds_of(heard) == pytest.approx(1.02)

    run_virtual(scene())


def test_a_browser_that_sends_nothing_in_silence_is_heard_as_silent() -> None:
    async def scene() -> None:
        ears, heard = await listening(VirtualClock())
        sender = Sender()
        for frame in frames(tone(0.2)):
            await ears._handle_rtp_packet(sender.packet(frame), 0)
        await ears._handle_rtp_packet(sender.packet(payload=b"\x48"), 0)
        await asyncio.sleep(0.61)
        assert seconds_of(heard) == pytest.approx(0.8)
        assert peak(heard[-10_000:]) == 0
        ears.close()
        await asyncio.sleep(5.0)
        assert seconds_of(heard) == pytest.approx(0.8)

    run_virtual(scene())


def test_other_codecs_are_not_heard_and_another_stream_begins_anew() -> None:
    async def scene() -> None:
        ears, heard = await listening(VirtualClock())
        await ears._handle_rtp_packet(Sender().packet(tone(0.02), payload_type=8), 0)
        assert not heard
        for stream in (1, 2):
            await ears._handle_rtp_packet(Sender(stream).packet(tone(0.02)), 0)
        assert seconds_of(heard) == pytest.approx(0.04)

    run_virtual(scene())
