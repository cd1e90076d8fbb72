"""HTTP/1.1 as it goes over a connection: one packet an answer, and no end of patience with nobody.

What is written for head and body in one turn of the loop goes out together. The server at hand writes each by itself;
the second system call, and the client that wakes twice, cost a third of a short answer. Nor does it limit how long a
head may be, how long a request may take to come, or how long an answer may lie there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from greenroom_api.patience import Patience, Stage, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD_LIMIT_BYTES = 64 * 1024
"""As much as common proxies pass on. What comes in one piece with the end of a head may be longer."""

_LINGER_SECONDS = 2.0
"""After a refusal: a connection that is closed while its client still sends takes the refusal with it."""

_LINGER_BYTES = 1024 * 1024
"""What may still come then, and is thrown away."""

_CLOSED_WITHIN_SECONDS = 10.0
"""A connection that is closed while its client does not take what was written is cut off then."""


def _answer(status: str, detail: str, *headers: str) -> bytes:
    body = msgspec.json.encode({"detail": detail})
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


_NO_HTTP = _answer("400 Bad Request", "The request is not HTTP/1.1")
_TOO_SLOW = _answer("408 Request Timeout", "The request took too long to come")
_TOO_LARGE = _answer("431 Request Header Fields Too Large", f"The head is larger than {HEAD_LIMIT_BYTES} bytes")
_TOO_MANY = _answer("503 Service Unavailable", "Too many connections; try again", "retry-after: 1")


class Gathered:
    """A transport that holds what is written until the turn is over. All else is the transport's own."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] = []
        self._over = False

    def write(self, data: bytes) -> None:
        if self._over:
            return
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        self._flush()
        if self._transport.get_write_buffer_size() and not self._transport.is_closing():
            self._loop.call_later(_CLOSED_WITHIN_SECONDS, self._transport.abort)
        self._transport.close()

    def write_eof(self) -> None:
        """What is written afterwards is dropped."""
        self._over = True
        self._flush()
        self._transport.write_eof()

    def _flush(self) -> None:
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class GatheringProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, over such a transport, with limits to what comes before the program's turn.

    Whoever runs the server calls `look` every second or so.
    """

    def __init__(self, *arguments: Any, patience: Patience = Patience(), **more: Any) -> None:  # noqa: B008
        super().__init__(*arguments, **more)
        self._patience = patience
        self._turn = Turn(self.loop.time())
        self._unread_since: float | None = None
        self._head_bytes = 0  # of a head that is not whole yet, by whole pieces
        self._another = False  # a request has ended in this piece
        self._refused = False
        self._thrown_away_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", Gathered(transport)))
        if len(self.connections) > self._patience.connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._thrown_away_bytes += len(data)
            if self._thrown_away_bytes > _LINGER_BYTES:
                self.transport.close()
            return
        self._another = False
        if self._turn.stage is Stage.IDLE:
            self._turn.enter(Stage.HEAD, self.loop.time())
        super().data_received(data)
        if self._turn.stage is not Stage.BODY and not self._another:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT_BYTES:
                self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._turn.enter(Stage.HEAD, self.loop.time())

    def on_headers_complete(self) -> None:
        self._turn.enter(Stage.BODY, self.loop.time())
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._turn.body_came(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head_bytes, self._another = 0, True
        self._turn.enter(Stage.ANSWER, self.loop.time())
        super().on_message_complete()
        self._rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._turn.stage is Stage.HEAD:  # of the next request, which was not waited for until now
            self._turn.enter(Stage.HEAD, self.loop.time())
        self._rest()

    def pause_writing(self) -> None:
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._unread_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(_NO_HTTP)

    def look(self, now: float) -> None:
        """Ends the connection if its client has taken longer than it may."""
        if self._unread_since is not None and now - self._unread_since > self._patience.unread_seconds:
            self.transport.abort()
        elif not self._refused and self.waits_since is not None and self._turn.is_over(now, self._patience):
            if self._turn.stage is Stage.IDLE:
                self.transport.close()
            else:
                self._refuse(_TOO_SLOW)

    def let_go(self) -> None:
        """Its next answer is its last one; until then it may be used."""
        if self._answering:
            self.cycle.keep_alive = False

    @property
    def waits_since(self) -> float | None:
        """None while it is not the client that is waited for: an answer is due, or what it sends is not read."""
        if self.transport.is_closing():
            return None
        if self._refused:
            return float("-inf")
        if self._turn.stage is Stage.ANSWER or self.flow.read_paused:
            return None
        if self._turn.stage is not Stage.BODY and self._answering:
            return None
        return self._turn.since

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _rest(self) -> None:
        """The whole request is there and all are answered: the next one may come."""
        if self._turn.stage is Stage.ANSWER and not self._answering:
            self._turn.enter(Stage.IDLE, self.loop.time())

    def _make_room(self) -> None:
        """Whoever has kept us waiting for longest goes, so that a newcomer, a probe among them, is heard."""
        waiting = {
            other: since
            for other in http_connections(self.connections)
            if other is not self and (since := other.waits_since) is not None
        }
        if waiting:
            min(waiting, key=waiting.__getitem__).transport.close()
        else:
            self._refuse(_TOO_MANY)

    def _refuse(self, answer: bytes) -> None:
        """Nothing is said in the middle of another answer, and no second one to the same request."""
        if self._refused or self.transport.is_closing():
            return
        if self._amid_an_answer:
            self.transport.close()
            return
        self._refused = True
        self.transport.write(answer)
        self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
        if self.cycle is not None:  # whoever is about to answer finds the client gone
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    @property
    def _amid_an_answer(self) -> bool:
        if self.pipeline:
            return True
        begun = self.cycle is not None and self.cycle.response_started
        return begun and (self._turn.stage is Stage.BODY or not self.cycle.response_complete)


def http_connections(of: Iterable[object]) -> list[GatheringProtocol]:
    """Without the websockets of a user's own."""
    return [connection for connection in of if isinstance(connection, GatheringProtocol)]
