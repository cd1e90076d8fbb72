"""Clients that take their time: how long they are waited for, and what becomes of the others meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Self

import pytest
from fastapi import FastAPI, Request, Response

from greenroom_api.app import create_app, equip
from greenroom_api.patience import Patience, Stage, Turn
from greenroom_api.server import Server, bind
from greenroom_api.wire import GatheringProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HASTE = Patience(head_seconds=0.5, body_seconds=0.5, idle_seconds=1.5, unread_seconds=0.5)
LONG = b"x" * 20_000_000
DEADLINE_SECONDS = 30


class Quiet:
    """A backend without sessions."""

    ready = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to leave."""

    def leave(self) -> None:
        """Nobody waits."""

    def gauges(self) -> dict[str, float]:
        return {}


class Serving:
    """A server of ours with routes that take and give as much as they are asked for."""

    def __init__(self, patience: Patience, app: FastAPI) -> None:
        self.go_on = asyncio.Event()
        equip(app, Quiet())  # type: ignore[arg-type]
        app.add_api_route("/length", self._length, methods=["POST"])
        app.add_api_route("/refused", self._refused, methods=["POST"])
        app.add_api_route("/waits", self._waits)
        app.add_api_route("/long", self._long)
        self.server = Server(app, shutdown_seconds=1, patience=patience)
        self._listener = bind("127.0.0.1", 0)
        self.port: int = self._listener.getsockname()[1]

    async def run(self) -> None:
        await self.server._serve([self._listener])

    async def opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def connections(self) -> list[Any]:
        return [item for item in self.server.server_state.connections if isinstance(item, GatheringProtocol)]

    async def _length(self, request: Request) -> Response:
        return Response(f"{len(await request.body())} bytes")

    async def _refused(self) -> Response:
        return Response("no", 401)

    async def _waits(self) -> Response:
        await self.go_on.wait()
        return Response("at last")

    async def _long(self) -> Response:
        return Response(LONG)


@contextlib.asynccontextmanager
async def serving(patience: Patience = HASTE, app: FastAPI | None = None) -> AsyncIterator[Serving]:
    made = Serving(patience, app or FastAPI())
    running = asyncio.create_task(made.run())
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not made.server.started:
                await asyncio.sleep(0.01)
        yield made
    finally:
        made.go_on.set()
        made.server.should_exit = True
        await running


async def to_its_end(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes the connection, or cuts it off."""
    came = b""
    async with asyncio.timeout(DEADLINE_SECONDS):
        with contextlib.suppress(ConnectionResetError):
            while part := await reader.read(65_536):
                came += part
    return came


async def dribbled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, drop: bytes) -> bytes:
    """Sends `drop` again and again, ten times a second, until the server closes the connection; what it said."""

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.1)

    sending = asyncio.create_task(send())
    try:
        return await to_its_end(reader)
    finally:
        sending.cancel()
        writer.close()


def test_each_stage_has_its_time_and_a_body_more_as_it_grows() -> None:
    patience = Patience(head_seconds=2, body_seconds=3, body_bytes_per_second=100, idle_seconds=9)
    turn = Turn(0.0)
    assert (turn.is_over(9.0, patience), turn.is_over(9.1, patience)) == (False, True)
    turn.enter(Stage.HEAD, 10.0)
    assert (turn.is_over(12.0, patience), turn.is_over(12.1, patience)) == (False, True)
    turn.enter(Stage.BODY, 20.0)
    turn.body_came(500)
    assert (turn.is_over(28.0, patience), turn.is_over(28.1, patience)) == (False, True)
    turn.enter(Stage.ANSWER, 30.0)
    assert not turn.is_over(1e9, patience)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: here\r\n", b"GET /waits HTTP/1.1\r\nX: y\r\n"])
async def test_a_head_that_dribbles_is_408(begun: bytes) -> None:
    async with serving() as here:
        reader, writer = await here.opened()
        writer.write(begun)
        answer = await dribbled(reader, writer, b"X-Drop: y\r\n" if begun else b"\r\n")
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"connection: close" in answer
        assert answer.endswith(b'{"detail":"The request took too long to come"}')


async def test_a_body_that_dribbles_is_408() -> None:
    async with serving() as here:
        reader, writer = await here.opened()
        writer.write(b"POST /length HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\n")
        answer = await dribbled(reader, writer, b"x")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert answer.count(b"HTTP/1.1") == 1


async def test_a_body_that_goes_on_dribbling_after_its_answer_ends_the_connection() -> None:
    async with serving() as here:
        reader, writer = await here.opened()
        writer.write(b"POST /refused HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n")
        answer = await dribbled(reader, writer, b"x")
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert answer.count(b"HTTP/1.1") == 1


async def test_a_large_body_at_a_steady_pace_may_take_longer() -> None:
    async with serving(Patience(body_seconds=0.5, body_bytes_per_second=1000)) as here:
        reader, writer = await here.opened()
        writer.write(b"POST /length HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 5000\r\n\r\n")
        for _ in range(25):
            writer.write(b"x" * 200)
            await asyncio.sleep(0.1)
        assert (await to_its_end(reader)).endswith(b"5000 bytes")
        writer.close()


async def test_silence_is_closed_without_a_word() -> None:
    async with serving() as here:
        reader, writer = await here.opened()
        assert await to_its_end(reader) == b""
        writer.close()
        reader, writer = await here.opened()
        writer.write(b"POST /refused HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")
        answer = await to_its_end(reader)
        assert answer.count(b"HTTP/1.1") == 1
        writer.close()


async def test_an_answer_may_take_as_long_as_it_likes() -> None:
    async with serving() as here:
        reader, writer = await here.opened()
        writer.write(b"GET /waits HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        silent, other = await here.opened()
        assert await to_its_end(silent) == b"", "an idle one has been closed meanwhile"
        here.go_on.set()
        assert (await to_its_end(reader)).endswith(b"at last")
        writer.close()
        other.close()


async def test_an_answer_that_nobody_takes_is_given_up() -> None:
    async with serving() as here:
        _, writer = await here.opened()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /long HTTP/1.1\r\nHost: here\r\n\r\n")
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not here.connections():
                await asyncio.sleep(0.01)
            while here.connections():
                await asyncio.sleep(0.05)
        writer.transport.abort()


async def test_a_newcomer_takes_the_place_of_who_has_been_waited_for_longest() -> None:
    async with serving(Patience(connections=4)) as here:
        idle = [await here.opened() for _ in range(4)]
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(here.connections()) < 4:
                await asyncio.sleep(0.01)
        reader, writer = await here.opened()
        writer.write(b"POST /length HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        assert (await to_its_end(reader)).endswith(b"0 bytes")
        assert await to_its_end(idle[0][0]) == b""
        for _, other in [*idle, (reader, writer)]:
            other.close()


async def test_where_all_are_at_work_a_newcomer_is_503() -> None:
    async with serving(Patience(connections=3)) as here:
        busy = [await here.opened() for _ in range(3)]
        for _, writer in busy:
            writer.write(b"GET /waits HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(DEADLINE_SECONDS):
            while sum(item.waits_since is None for item in here.connections()) < 3:
                await asyncio.sleep(0.01)
        reader, writer = await here.opened()
        answer = await to_its_end(reader)
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"retry-after: 1\r\n" in answer
        writer.close()
        here.go_on.set()
        for reader, writer in busy:
            assert (await to_its_end(reader)).endswith(b"at last")
            writer.close()


async def test_hundreds_who_dribble_keep_nobody_out() -> None:
    async with serving(Patience(connections=50)) as here:

        async def attack() -> None:
            while True:
                with contextlib.suppress(ConnectionError):
                    reader, writer = await here.opened()
                    writer.write(b"GET / HTTP/1.1\r\n")
                    await dribbled(reader, writer, b"X: y\r\n")
                await asyncio.sleep(0.5)

        attackers = [asyncio.create_task(attack()) for _ in range(200)]
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while len(here.connections()) < 50:
                    await asyncio.sleep(0.01)
            for _ in range(20):
                reader, writer = await here.opened()
                writer.write(b"POST /length HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
                assert (await to_its_end(reader)).endswith(b"2 bytes")
                writer.close()
        finally:
            for attacker in attackers:
                attacker.cancel()
            await asyncio.gather(*attackers, return_exceptions=True)


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_start_whose_body_never_ends_is_no_error_of_the_programs(
    caplog: pytest.LogCaptureFixture, leaves: bool
) -> None:
    with caplog.at_level(logging.INFO):
        async with serving(app=create_app(Quiet())) as here:  # type: ignore[arg-type]
            reader, writer = await here.opened()
            writer.write(b"POST /calls/c1/sessions HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n{")
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not here.server.server_state.tasks:
                    await asyncio.sleep(0.01)
                if leaves:
                    writer.transport.abort()
                else:
                    assert (await to_its_end(reader)).startswith(b"HTTP/1.1 408 ")
                while here.server.server_state.tasks:
                    await asyncio.sleep(0.01)
            writer.close()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    (line,) = [record for record in caplog.records if record.name == "greenroom.audit"]
    assert line.status == 499  # type: ignore[attr-defined]
