"""Answers on the wire: in one piece where they are short, whole where they are long, pipelined or cut off."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from greenroom_api.server import bind
from greenroom_api.wire import Gathered, GatheringProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONG = b"x" * 3_000_000


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        await send({"type": "websocket.close"})
        return
    while (await receive()).get("more_body") and scope["method"] == "POST":
        pass
    body = {"/long": LONG, "/short": b"short"}.get(scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if body is None:
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
            await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": body or b""})


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[int]:
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(app, http=GatheringProtocol, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))
    try:
        async with asyncio.timeout(60):
            while not server.started:
                await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def asking(*paths: str, last: str = "Connection: close\r\n") -> bytes:
    requests = [f"GET {path} HTTP/1.1\r\nHost: here\r\n" for path in paths]
    return ("\r\n".join([*requests[:-1], requests[-1] + last]) + "\r\n").encode()


async def answered(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(("path", "body"), [("/short", b"5\r\nshort\r\n0\r\n\r\n"), ("/parts", b"1\r\n2\r\n0\r\n\r\n")])
async def test_an_answer_comes_whole(path: str, body: bytes) -> None:
    async with listening() as port:
        assert (await answered(port, asking(path))).endswith(body)


async def test_a_long_answer_comes_whole_to_a_slow_reader() -> None:
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(asking("/long"))
        received = 0
        async with asyncio.timeout(60):
            while part := await reader.read(100_000):
                received += part.count(b"x")
        writer.close()
        assert received == len(LONG)


async def test_pipelined_requests_are_answered_in_turn() -> None:
    async with listening() as port:
        answer = await answered(port, asking("/short", "/parts", "/short"))
        assert answer.count(b"HTTP/1.1 200 OK") == 3
        assert answer.endswith(b"short\r\n0\r\n\r\n")


async def test_a_client_that_is_gone_before_its_answer_hurts_nobody() -> None:
    async with listening() as port:
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(asking("/long"))
            await writer.drain()
            writer.transport.abort()
        assert (await answered(port, asking("/short"))).endswith(b"short\r\n0\r\n\r\n")


async def test_what_is_written_in_one_turn_is_one_write() -> None:
    class Transport:
        def __init__(self) -> None:
            self.writes: list[bytes] = []
            self.closed = False

        def write(self, data: bytes) -> None:
            assert not self.closed
            self.writes.append(data)

        def is_closing(self) -> bool:
            return self.closed

        def get_write_buffer_size(self) -> int:
            return 0

        def close(self) -> None:
            self.closed = True

    transport = Transport()
    gathered = Gathered(transport)  # type: ignore[arg-type]
    gathered.write(b"head")
    gathered.write(b"body")
    assert transport.writes == []
    await asyncio.sleep(0)
    assert transport.writes == [b"headbody"]
    gathered.write(b"bye")
    gathered.close()
    assert (transport.writes[-1], transport.closed) == (b"bye", True)
    gathered.write(b"late")
    await asyncio.sleep(0)
    assert transport.writes[-1] == b"bye"


async def test_a_websocket_of_a_users_own_works() -> None:
    async with listening() as port:
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        answer = await answered(port, asking("/", last=upgrade + key))
        assert answer.startswith(b"HTTP/1.1 101 Switching Protocols")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
        assert b"\x81\x05hello" in answer


@pytest.mark.parametrize(
    "endless",
    [
        b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000,
        b"GET / HTTP/1.1\r\n" + b"X: yyyyyyyy\r\n" * 8_000,
        b"GET /" + b"y" * 100_000,
    ],
)
async def test_a_head_without_end_is_refused_while_it_comes(endless: bytes) -> None:
    async with listening() as port:
        answer = await answered(port, endless)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"short" in await answered(port, asking("/short"))


async def test_long_bodies_and_many_requests_of_a_connection_are_no_long_heads() -> None:
    async with listening() as port:
        body = b"POST /short HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
        answer = await answered(port, body + asking(*["/short"] * 300))
        assert answer.count(b"200 OK") == 301
        assert b"431" not in answer
