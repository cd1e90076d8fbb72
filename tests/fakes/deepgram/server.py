"""`/v2/listen` (Flux) and `/v1/listen`: websockets that take sound and tell turns.

What was said comes from a script, a text a turn, or from a recogniser.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web
from tests.fakes.deepgram.ears import Ears, Signal
from tests.fakes.vendor_server import Fault, VendorServer

from greenroom.agent.audio import seconds_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Message = dict[str, Any]
MOST_KEYTERMS = 100


@dataclass
class FakeDeepgram(VendorServer):
    """Each turn says the next of `texts`; `recognise`, where there is one, listens instead.

    A fault `after` so many messages: `cut` breaks the connection, `stall` goes silent and ignores everything, also
    a goodbye; `malformed` sends rubbish of every kind.
    """

    texts: deque[str] = field(default_factory=deque)
    recognise: Callable[[bytes], Awaitable[str]] | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    configured: list[Message] = field(default_factory=list)
    sound_seconds: float = 0.0

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v2/listen", self._flux), web.get("/v1/listen", self._classic)]

    async def _flux(self, request: web.Request) -> web.StreamResponse:
        return await self._listen(request, _Flux)

    async def _classic(self, request: web.Request) -> web.StreamResponse:
        return await self._listen(request, _Classic)

    async def _listen(self, request: web.Request, speak: type[_Speaker]) -> web.StreamResponse:
        fault = self.next_fault()
        self.requests.append(request.path_qs)
        self.asked.append(dict(request.query))
        if request.headers.get("Authorization") != f"Token {self.key}":
            self.refused += 1
            return web.json_response({"err_code": "INVALID_AUTH"}, status=401)
        if fault.status is not None:
            return web.json_response({"err_code": "FAULT"}, status=fault.status)
        await asyncio.sleep(fault.delay_seconds)
        socket = web.WebSocketResponse(autoclose=not fault.stall)
        await socket.prepare(request)
        self.in_work += 1
        try:
            await speak(self, request, socket, fault).run()
        finally:
            self.in_work -= 1
        return socket


class _Speaker:
    """One connection."""

    def __init__(self, server: FakeDeepgram, request: web.Request, socket: web.WebSocketResponse, fault: Fault) -> None:
        self.server = server
        self.request = request
        self.socket = socket
        self.fault = fault
        self.count = 0
        self.text = ""
        self.ears = self.new_ears()

    def new_ears(self) -> Ears:
        raise NotImplementedError

    async def greet(self) -> None:
        pass

    async def tell(self, signal: Signal) -> None:
        raise NotImplementedError

    async def run(self) -> None:
        await self.greet()
        async for message in self.socket:
            if message.type is WSMsgType.BINARY:
                self.server.sound_seconds += seconds_of(message.data)
                await self._take(self.ears.hear(message.data))
            elif message.type is WSMsgType.TEXT and await self._control(json.loads(message.data)):
                break

    async def send(self, message: Message) -> None:
        if self.count == self.fault.after and self.fault.cut and self.request.transport is not None:
            self.request.transport.abort()
            return
        if self.count == self.fault.after and self.fault.malformed:
            await self._rubbish()
        self.count += 1
        if not (self.fault.stall and self.count > self.fault.after):
            await self.socket.send_str(json.dumps(message))

    def so_far(self) -> str:
        """As much of the turn's text as may have been spoken."""
        spoken = (self.ears.heard - (self.ears.start)) / 0.3
        return " ".join(self.text.split()[: max(1, int(spoken))])

    async def _take(self, signals: list[Signal]) -> None:
        for signal in signals:
            if signal is Signal.BEGAN:
                self.text = self.server.texts.popleft() if self.server.texts else ""
            elif signal in (Signal.EAGER_END, Signal.END) and self.server.recognise is not None:
                self.text = await self.server.recognise(self.ears.speech)
            await self.tell(signal)

    async def configure(self, message: Message) -> None:
        raise NotImplementedError

    async def _control(self, message: Message) -> bool:
        """Whether that was a goodbye that is heeded."""
        kind = message["type"]
        self.server.received.append(kind)
        if kind == "Configure":
            await self.configure(message)
        elif kind in ("Finalize", "ForceEndTurn"):
            await self._take(self.ears.end())
        return kind == "CloseStream" and not self.fault.stall

    async def _rubbish(self) -> None:
        await self.socket.send_str("{this is no json")
        await self.socket.send_bytes(b"\x00\x01\x02")
        for message in ({}, [], {"type": "Unheard"}, {"type": "TurnInfo"}, {"type": "Results", "start": "soon"}):
            await self.socket.send_str(json.dumps(message))
        await self.socket.send_str(json.dumps({"type": "TurnInfo", "event": "EndOfTurn", "audio_window_end": []}))

    def words(self, text: str) -> list[Message]:
        start, end = self.ears.start, self.ears.last_loud
        spoken = text.split()
        each = max(0.0, end - start) / max(1, len(spoken))
        return [
            {"word": word, "confidence": 0.99, "start": start + n * each, "end": start + (n + 1) * each}
            for n, word in enumerate(spoken)
        ]


class _Flux(_Speaker):
    """v2."""

    turn_index = 0
    sequence_id = 0
    _events = {  # noqa: RUF012
        Signal.BEGAN: "StartOfTurn",
        Signal.MORE: "Update",
        Signal.EAGER_END: "EagerEndOfTurn",
        Signal.RESUMED: "TurnResumed",
        Signal.END: "EndOfTurn",
    }

    def new_ears(self) -> Ears:
        return Ears(eager="eager_eot_threshold" in self.request.query)

    async def greet(self) -> None:
        await self._send({"type": "Connected"})

    async def configure(self, message: Message) -> None:
        self.server.configured.append(message)
        if len(message.get("keyterms") or ()) > MOST_KEYTERMS:
            await self._send({"type": "ConfigureFailure", "code": "KEYTERMS", "description": "too many keyterms"})
            return
        self.ears.eager = "eager_eot_threshold" in message["thresholds"]
        active = {"thresholds": message["thresholds"], "keyterms": message.get("keyterms") or []}
        await self._send({"type": "ConfigureSuccess", **active})

    async def tell(self, signal: Signal) -> None:
        text = self.text if signal in (Signal.EAGER_END, Signal.END) else self.so_far()
        over = {"trigger": "model"} if signal is Signal.END else {}
        await self._send(
            {
                "type": "TurnInfo",
                "event": self._events[signal],
                "turn_index": self.turn_index,
                "audio_window_start": self.ears.start,
                "audio_window_end": self.ears.heard,
                "transcript": text,
                "words": self.words(text),
                "end_of_turn_confidence": 0.9 if signal is Signal.END else 0.4,
                **over,
            }
        )
        self.turn_index += signal is Signal.END

    async def _send(self, message: Message) -> None:
        await self.send(message | {"request_id": "r-1", "sequence_id": self.sequence_id})
        self.sequence_id += 1


class _Classic(_Speaker):
    """v1: interim results, the final one with `speech_final` at the end of speech, then UtteranceEnd."""

    def new_ears(self) -> Ears:
        return Ears(eager=False, end_silence_seconds=int(self.request.query.get("endpointing", "10")) / 1000)

    async def tell(self, signal: Signal) -> None:
        if signal is Signal.BEGAN:
            await self.send({"type": "SpeechStarted", "channel": [0], "timestamp": self.ears.heard})
        elif signal is Signal.MORE:
            await self._result(self.so_far(), final=False)
        elif signal is Signal.END:
            await self._result(self.text, final=True)
            await self.send({"type": "UtteranceEnd", "channel": [0], "last_word_end": self.ears.last_loud})

    async def _result(self, text: str, final: bool) -> None:
        start = self.ears.start
        alternative = {"transcript": text, "confidence": 0.99, "words": self.words(text)}
        await self.send(
            {
                "type": "Results",
                "channel_index": [0, 1],
                "start": start,
                "duration": self.ears.heard - start,
                "is_final": final,
                "speech_final": final,
                "channel": {"alternatives": [alternative]},
                "metadata": {"request_id": "r-1", "model_uuid": "m-1", "model_info": {}},
            }
        )
