"""The browser's sound on its way to the agent: RTP packets of Opus in, 16 kHz out, on the event loop.

In place of aiortc's own receiver of sound, which keeps 80 ms back in a buffer and a thread for each call: here a packet
that comes in order is heard at once (0.03 ms of work), and a missing one is waited for while three others come.
Knows nothing of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom.plugins.local.webrtc.opus import Decoder, OpusError
from greenroom.plugins.local.webrtc.order import Order
from greenroom.plugins.local.webrtc.pauses import Pauses

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock

NOTHING_BYTES = 2  # a packet of no more says that a silence begins, and is followed by none


class Ears:
    """Of one call. Is what aiortc's DTLS transport calls a receiver."""

    def __init__(self, hear: Callable[[bytes], None], clock: Clock) -> None:
        self._hear = hear
        self._clock = clock
        self._decoder = Decoder()
        self._order = Order()
        self._pauses = Pauses(hear, clock)
        self._stream: int | None = None
        self._payload_types: frozenset[int] = frozenset()
        self.lost = 0
        self.streaming = False  # whether the last sign was sound, which comes often also when it is muted
        self._heard_at: float | None = None

    @property
    def silent_seconds(self) -> float:
        """Since the last sign of life; 0 as long as none has ever come, which is no sign of anything."""
        return 0.0 if self._heard_at is None else self._clock.boot() - self._heard_at

    def stand_in_for(self, receiver: Any) -> None:
        """Take the place of aiortc's `receiver`, which has not begun yet."""

        async def receive(parameters: Any) -> None:
            self._payload_types = frozenset(codec.payloadType for codec in parameters.codecs)
            receiver.transport._register_rtp_receiver(self, parameters)

        receiver.receive = receive

    def note_reports_to(self, sender: Any) -> None:
        """What the browser reports to aiortc's `sender` is a sign of life too, the only one of a closed microphone."""
        handle = sender._handle_rtcp_packet

        async def noted(packet: Any) -> None:
            await self._handle_rtcp_packet(packet)
            await handle(packet)

        sender._handle_rtcp_packet = noted

    def close(self) -> None:
        self._pauses.stop()
        self._payload_types = frozenset()

    # --- what the transport calls ---

    async def _handle_rtp_packet(self, packet: Any, arrival_time_ms: int) -> None:
        self._heard_at, self.streaming = self._clock.boot(), True
        if packet.payload_type not in self._payload_types:
            return
        if packet.ssrc != self._stream:
            self._stream, self._order = packet.ssrc, Order()
        for payload in self._order.put(packet.sequence_number, packet.payload):
            self._play(payload)

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        self._heard_at, self.streaming = self._clock.boot(), False

    def _handle_disconnect(self) -> None:
        self.close()

    # --- inside ---

    def _play(self, payload: bytes | None) -> None:
        if payload is not None and len(payload) <= NOTHING_BYTES:
            self._pauses.begin()
            return
        self._pauses.end()
        try:
            self._hear(self._decoder.decode(payload) if payload is not None else self._concealed())
        except OpusError:  # rubbish, or a codec that was not agreed on
            self._hear(self._concealed())

    def _concealed(self) -> bytes:
        self.lost += 1
        return self._decoder.conceal()
