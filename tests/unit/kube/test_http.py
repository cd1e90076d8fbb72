"""The HTTP transport against a server of this test's own: what it sends, and how every failure looks."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from greenroom_core.kube.auth import Credentials
from greenroom_core.kube.http import HttpTransport
from greenroom_core.kube.transport import MERGE_PATCH, Request, TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

WATCH = Request("GET", "/pods", {"watch": "true"})


@asynccontextmanager
async def serving(handler: Handler, token: str | None = None) -> AsyncIterator[HttpTransport]:
    """A server that answers everything with `handler`, and a transport to it."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with transport_to(f"http://127.0.0.1:{port}", token) as transport:
            yield transport
    finally:
        await runner.cleanup()


def transport_to(server: str, token: str | None = None) -> HttpTransport:
    credentials = Credentials(server, ssl.create_default_context(), lambda: token, "default")
    return HttpTransport(credentials, user_agent="greenroom-test")


async def test_request_goes_out_whole_and_the_answer_comes_back_whole() -> None:
    seen: list[tuple[str, str, dict[str, str], bytes, str | None, str | None, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        head = request.headers
        seen.append(
            (
                request.method,
                request.path,
                dict(request.query),
                await request.read(),
                head.get("Content-Type"),
                head.get("Authorization"),
                head.get("User-Agent"),
            )
        )
        return web.Response(status=429, body=b"later", headers={"Retry-After": "3"})

    async with serving(handler, token="secret") as transport:
        selector = "status.podName=p1,spec.callId!=a b"
        request = Request("PATCH", "/apis/x/y", {"fieldSelector": selector}, b"{}", MERGE_PATCH)
        answer = await transport.send(request, 5.0)
    assert (answer.status, answer.body, answer.retry_after_seconds) == (429, b"later", 3.0)
    assert seen == [
        ("PATCH", "/apis/x/y", {"fieldSelector": selector}, b"{}", MERGE_PATCH, "Bearer secret", "greenroom-test")
    ]


async def test_retry_after_that_is_a_date_or_absent_is_none() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers={"Retry-After": "Wed, 21 Oct 2030 07:28:00 GMT"} if "date" in request.path else {})

    async with serving(handler) as transport:
        assert (await transport.send(Request("GET", "/date"), 5.0)).retry_after_seconds is None
        assert (await transport.send(Request("GET", "/none"), 5.0)).retry_after_seconds is None


async def test_refused_connection_was_never_sent(unused_tcp_port: int) -> None:
    async with transport_to(f"http://127.0.0.1:{unused_tcp_port}") as transport:
        with pytest.raises(TransportError) as failed:
            await transport.send(Request("POST", "/x", body=b"{}"), 5.0)
    assert failed.value.sent is False


async def test_answer_that_takes_too_long_may_have_been_carried_out() -> None:
    arrived = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        arrived.set()
        await asyncio.sleep(30)
        return web.Response()

    async with serving(handler) as transport:
        with pytest.raises(TransportError) as failed:
            await transport.send(Request("POST", "/x", body=b"{}"), 1.0)
    assert arrived.is_set()
    assert failed.value.sent is True


async def test_connection_cut_before_the_answer_may_have_been_carried_out() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(handler) as transport:
        with pytest.raises(TransportError) as failed:
            await transport.send(Request("POST", "/x", body=b"{}"), 5.0)
    assert failed.value.sent is True


async def streamed(request: web.Request, *chunks: bytes) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for chunk in chunks:
        await response.write(chunk)
    return response


async def test_watch_yields_whole_lines_however_they_are_cut_and_however_long() -> None:
    long = b"x" * 300_000

    async def handler(request: web.Request) -> web.StreamResponse:
        return await streamed(request, b"one\ntw", b"o\n\n", long[:1000], long[1000:], b"\nlast")

    async with serving(handler) as transport, transport.stream(WATCH, 5.0) as stream:
        assert stream.status == 200
        assert [line async for line in stream.lines] == [b"one", b"two", long, b"last"]


async def test_refused_watch_shows_status_and_body() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=410, body=b'{"code":410}')

    async with serving(handler) as transport, transport.stream(WATCH, 5.0) as stream:
        assert stream.status == 410
        assert [line async for line in stream.lines] == [b'{"code":410}']


async def test_watch_that_is_cut_raises_after_what_came() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = await streamed(request, b"one\n")
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return response

    async with serving(handler) as transport, transport.stream(WATCH, 5.0) as stream:
        assert await anext(stream.lines) == b"one"
        with pytest.raises(TransportError):
            await anext(stream.lines)


async def test_watch_that_falls_silent_is_given_up() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = await streamed(request, b"one\n")
        await asyncio.sleep(30)
        return response

    async with serving(handler) as transport, transport.stream(WATCH, 1.0) as stream:
        assert await anext(stream.lines) == b"one"
        with pytest.raises(TransportError):
            await anext(stream.lines)


async def test_transport_that_is_not_open_says_how_to_open_it() -> None:
    transport = transport_to("http://127.0.0.1:1")
    with pytest.raises(RuntimeError, match="async with HttpTransport"):
        await transport.send(Request("GET", "/x"), 1.0)
