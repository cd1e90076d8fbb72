"""The programs' event loop: a connection that fails while it is made takes no other one with it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct

import pytest

from greenroom_core.event_loop import loop_factory

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, no time: closing sends a reset


def reset_by_the_other_side() -> socket.socket:
    """A connection whose reset is on its way before anybody has looked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        ours.setblocking(False)
        theirs, _ = server.accept()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    theirs.close()
    return ours


async def let_go(sock: socket.socket, **options: object) -> None:
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=sock, **options)  # type: ignore[call-overload]
    except ConnectionResetError:
        return
    transport.abort()


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_the_socket_of_a_failed_connection_closes_nobody_elses(tls: bool) -> None:
    """The object is collected at some time: if it still names a descriptor then, it closes what has that number."""
    pytest.importorskip("uvloop")
    options = {"ssl": ssl.create_default_context(), "server_hostname": "nobody"} if tls else {}
    sock = reset_by_the_other_side()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(let_go(sock, **options))
    still_named = sock.detach()  # before anything else: a failing test must close nothing either
    assert still_named == -1


def test_a_connection_closed_under_its_last_words_is_no_error_and_all_else_is() -> None:
    pytest.importorskip("uvloop")
    closed = RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
    contexts = [
        {"message": "Fatal error on SSL protocol", "exception": closed},
        {"message": "Fatal error on SSL protocol", "exception": RuntimeError("something else")},
        {"message": "Fatal error on transport", "exception": closed},
        {"message": "Task exception was never retrieved", "exception": ValueError("of ours")},
        {"message": "nothing more is known"},
    ]
    told: list[object] = []

    async def tell() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))
        for context in contexts:
            loop.call_exception_handler(context)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(tell())
    assert told == contexts[1:]
