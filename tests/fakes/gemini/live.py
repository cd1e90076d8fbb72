"""Gemini's Live API: a websocket that takes sound and gives sound, with a session that outlives its connection.

As strict as the real one about keys, handles and the ids of calls, and closes the connection with the real one's codes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
from array import array
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web
from tests.fakes.deepgram.ears import Ears, Signal
from tests.fakes.gemini.server import FakeGemini, own_answer
from tests.fakes.vendor_server import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

Message = dict[str, Any]
RATE = 24_000
PIECE_SECONDS = 0.1
SECONDS_PER_WORD = 0.15
REASONS = {
    1007: "Request contains an invalid argument.",
    1008: "model not found",
    1011: "You exceeded your current quota",
}


@dataclass
class FakeLive(FakeGemini):
    """A spoken turn says the next of `texts`, or what `recognise` hears; the answer is made as over SSE and spoken by
    `voice` (16 kHz) or a tone, `pace` times as fast as it sounds.

    A fault may refuse: with an HTTP `status`, or, from 1000 on, by closing with that code. `after` so many messages it
    cuts, stalls or sends rubbish.
    """

    texts: deque[str] = field(default_factory=deque)
    recognise: Callable[[bytes], Awaitable[str]] | None = None
    voice: Callable[[str], AsyncIterator[bytes]] | None = None
    pace: float = 1.0
    resumable: bool = True
    late_words: bool = False
    setups: list[Message] = field(default_factory=list)
    given: list[Message] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    kept: dict[str, list[Message]] = field(default_factory=dict)
    open: list[_Session] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        path = "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"
        return [*super().routes(), web.get(path, self._live)]

    async def go_away(self, seconds: float) -> None:
        """Say that the connections end so soon, and end them then."""
        for session in list(self.open):
            await session.send({"goAway": {"timeLeft": f"{seconds:g}s"}})
            asyncio.get_running_loop().call_later(seconds, session.abort)

    async def _live(self, request: web.Request) -> web.StreamResponse:
        fault = self.next_fault()
        self.requests.append(request.path)
        if fault.status is not None and fault.status < 1000:
            return web.Response(status=fault.status, text="busy")
        socket = web.WebSocketResponse(autoclose=not fault.stall)
        await socket.prepare(request)
        session = _Session(self, request, socket, fault)
        self.in_work += 1
        self.open.append(session)
        try:
            await session.run()
        finally:
            self.open.remove(session)
            self.in_work -= 1
        return socket


class _Session:
    """One connection."""

    def __init__(self, server: FakeLive, request: web.Request, socket: web.WebSocketResponse, fault: Fault) -> None:
        self.server = server
        self._request = request
        self._socket = socket
        self._fault = fault
        self._sent = 0
        self._setup: Message = {}
        self._context: list[Message] = []
        self._ears = Ears(eager=False)
        self._text = ""
        self._calls: dict[str, str] = {}
        self._results: list[Message] = []
        self._reply: asyncio.Task[None] | None = None
        self._sounding = False

    async def run(self) -> None:
        try:
            if await self._opened():
                async for message in self._socket:
                    if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                        await self._take(json.loads(message.data))
        finally:
            await self._end_reply()

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    # --- the session ---

    async def _opened(self) -> bool:
        first = await self._socket.receive()
        if first.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return False
        self._setup = json.loads(first.data)["setup"]
        self.server.setups.append(self._setup)
        if self._request.headers.get("x-goog-api-key") != self.server.key:
            self.server.refused += 1
            return await self._close(1007, "API key not valid. Please pass a valid API key.")
        if self._fault.status is not None:
            return await self._close(self._fault.status, REASONS.get(self._fault.status, "Internal error occurred."))
        handle = self._setup.get("sessionResumption", {}).get("handle")
        if handle is not None and handle not in self.server.kept:
            return await self._close(1007, "Invalid session handle")
        self._context = list(self.server.kept.get(handle or "", []))
        await asyncio.sleep(self._fault.delay_seconds)
        await self.send({"setupComplete": {}})
        return True

    async def _close(self, code: int, reason: str) -> bool:
        await self._socket.close(code=code, message=reason.encode())
        return False

    async def _take(self, message: Message) -> None:
        kind, content = next(iter(message.items()))
        if kind != "realtime_input" or "audio" not in content:
            self.server.given.append(message)
        if kind == "realtime_input":
            await self._take_realtime(content)
        elif kind == "client_content":
            await self._take_content(content)
        elif kind == "tool_response":
            await self._take_results(content["functionResponses"])

    async def _take_realtime(self, content: Message) -> None:
        if "audio" in content:
            await self._hear(self._ears.hear(_bytes(content["audio"])))
        elif "audioStreamEnd" in content:
            await self._hear(self._ears.end())
        elif "video" in content:
            self.server.pictures.append(_bytes(content["video"]))
        elif "text" in content:
            await self._interrupt()
            await self._answer(content["text"])

    async def _take_content(self, content: Message) -> None:
        self._context += content.get("turns", [])
        first = "historyConfig" in self._setup and "-2." not in self._setup["model"]
        if content.get("turnComplete") and not first:
            self._begin_reply()

    async def _take_results(self, responses: list[Message]) -> None:
        for response in responses:
            name = self._calls.pop(response["id"], None)
            if name is None:
                await self._close(1008, "Requested entity was not found.")
                return
            self._results.append({"functionResponse": response | {"name": name}})
        if not self._calls:
            self._context.append({"role": "user", "parts": self._results})
            self._results = []
            self._begin_reply()

    async def _hear(self, signals: list[Signal]) -> None:
        for signal in signals:
            if signal is Signal.BEGAN:
                await self._interrupt()
            elif signal is Signal.END:
                await self._understand()

    async def _understand(self) -> None:
        heard = self.server.texts.popleft() if self.server.texts else ""
        if self.server.recognise is not None:
            heard = await self.server.recognise(self._ears.speech)
        if not heard:
            return
        *first, last = heard.split(" ")
        late = f" {last}" if self.server.late_words else ""
        for piece in (" ".join(first), "" if late else f" {last}"):
            if piece:
                await self._content({"inputTranscription": {"text": piece}})
        await self._answer(heard, late)

    # --- the reply ---

    async def _answer(self, text: str, late_words: str = "") -> None:
        self._context.append({"role": "user", "parts": [{"text": text}]})
        self._begin_reply(late_words)

    def _begin_reply(self, late_words: str = "") -> None:
        self._reply = asyncio.create_task(self._give_reply(late_words))

    async def _interrupt(self) -> None:
        if self._reply is not None and not self._reply.done() and not self._calls:
            await self._end_reply()
            await self._content({"interrupted": True})
            await self._content({"turnComplete": True})

    async def _end_reply(self) -> None:
        if self._reply is not None:
            self._reply.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await self._reply

    async def _give_reply(self, late_words: str) -> None:
        answers = self.server.answers
        blocks = answers.popleft() if answers else own_answer(self._as_asked())
        parts = [part for block in blocks for part in block["candidates"][0]["content"]["parts"]]
        self._context.append({"role": "model", "parts": parts})
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        if text := "".join(part.get("text", "") for part in parts):
            await self._speak(text, late_words)
        if calls:
            await self._call(calls)
            return
        await self._content({"turnComplete": True})
        if self.server.resumable and "sessionResumption" in self._setup:
            handle = f"handle-{len(self.server.kept)}"
            self.server.kept[handle] = list(self._context)
            await self.send({"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}})
        await self.send({"usageMetadata": {"promptTokenCount": 20, "responseTokenCount": 5, "totalTokenCount": 25}})

    async def _call(self, calls: list[Message]) -> None:
        wanted = []
        for call in calls:
            name = f"call-{len(self.server.given)}-{len(self._calls)}"
            self._calls[name] = call["name"]
            wanted.append(call | {"id": name})
        await self.send({"toolCall": {"functionCalls": wanted}})

    async def _speak(self, text: str, late_words: str) -> None:
        sound = await self._sound(text)
        step = int(RATE * PIECE_SECONDS) * 2
        words, told, started = text.split(" "), 0, asyncio.get_running_loop().time()
        for number, start in enumerate(range(0, len(sound), step)):
            due = math.ceil(len(words) * (start + step) / len(sound))
            spoken, told = words[told:due], max(told, due)
            if spoken:
                lead = " " if number else ""
                await self._content({"outputTranscription": {"text": lead + " ".join(spoken)}})
            data = base64.b64encode(sound[start : start + step]).decode()
            blob = {"inlineData": {"mimeType": f"audio/pcm;rate={RATE}", "data": data}}
            await self._content({"modelTurn": {"role": "model", "parts": [blob]}})
            if late_words:
                await self._content({"inputTranscription": {"text": late_words}})
                late_words = ""
            elapsed = asyncio.get_running_loop().time() - started
            await asyncio.sleep(max(0.0, (number + 1) * PIECE_SECONDS / self.server.pace - elapsed))
        await self._content({"generationComplete": True})
        played = asyncio.get_running_loop().time() - started
        await asyncio.sleep(max(0.0, len(sound) / RATE / 2 - played))  # it takes it for heard as it sounds

    async def _sound(self, text: str) -> bytes:
        if self.server.voice is None:
            return tone(text)
        return upsampled(b"".join([pcm async for pcm in self.server.voice(text)]))

    def _as_asked(self) -> Message:
        """The conversation as it would be asked over SSE."""
        contents = []
        for content in self._context:
            parts = []
            for part in content["parts"]:
                response = part.get("functionResponse")
                output = response and (response["response"].get("output") or response["response"].get("error"))
                parts.append(part if output is None else {"functionResponse": {"response": {"result": output}}})
            contents.append({"role": content["role"], "parts": parts})
        return {"contents": contents, "tools": self._setup.get("tools", [])}

    # --- sending ---

    async def _content(self, content: Message) -> None:
        await self.send({"serverContent": content})

    async def send(self, message: Message) -> None:
        over = self._sent == self._fault.after + 1  # the first says that the session is open
        if over and self._fault.cut:
            self.abort()
            return
        if over and self._fault.malformed:
            await self._rubbish()
        self._sent += 1
        if not (self._fault.stall and self._sent > self._fault.after + 1) and not self._socket.closed:
            await self._socket.send_bytes(json.dumps(message).encode())

    async def _rubbish(self) -> None:
        await self._socket.send_bytes(b"{this is no json")
        await self._socket.send_bytes(b"\xff\x00\x01")
        for message in (
            {"unheard": 1},
            {"serverContent": "of"},
            {"toolCall": {"functionCalls": 7}},
            {"serverContent": {}},
        ):
            await self._socket.send_bytes(json.dumps(message).encode())


def _bytes(blob: Message) -> bytes:
    return base64.b64decode(blob["data"], altchars=b"-_")


def tone(text: str) -> bytes:
    """Sound at 24 kHz as long as `text` would take."""
    count = int(len(text.split()) * SECONDS_PER_WORD * RATE)
    return array("h", (int(8000 * math.sin(2 * math.pi * 440 * n / RATE)) for n in range(count))).tobytes()


def upsampled(pcm: bytes) -> bytes:
    """16 kHz as 24 kHz."""
    import numpy as np

    sound = np.frombuffer(pcm, dtype="<i2").astype(float)
    length = len(sound) * 3 // 2
    spectrum = np.fft.rfft(sound)
    wider = np.fft.irfft(np.pad(spectrum, (0, length // 2 + 1 - len(spectrum))), length) * 1.5
    return bytes(np.clip(wider, -32768, 32767).astype("<i2").tobytes())
