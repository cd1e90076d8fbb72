"""uvloop's event loop, mended in two places. It can be imported only where uvloop is installed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import uvloop

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

logger = logging.getLogger("greenroom.core.loop")


class Loop(uvloop.Loop):  # type: ignore[misc,unused-ignore]
    """A connection that fails while it is made leaves no stale descriptor behind.

    uvloop (0.21 to 0.23 at least) takes over the descriptor of a `sock` that it is given. Where the other side resets
    the connection before the socket object has been attached to the transport, it closes the descriptor and the object
    keeps the number. Collected later, the object closes it once more, and by then it is somebody else's connection. A
    load balancer that resets what comes while its API server is away is enough, with aiohttp, which gives its sockets.

    A TLS connection that is closed while something is still to be written on it (a request that is given up) is no
    error: uvloop tells of it with a traceback, as if the loop had failed.
    """

    async def create_connection(
        self, protocol_factory: Any, *args: Any, sock: socket.socket | None = None, **options: Any
    ) -> Any:
        try:
            made = await super().create_connection(protocol_factory, *args, sock=sock, **options)
        except BaseException:
            if sock is not None:
                sock.detach()
            raise
        if sock is not None and made[0].is_closing():
            sock.detach()
        return made

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        error = context.get("exception")
        if type(error) is RuntimeError and "the handler is closed" in str(error) and "SSL" in context["message"]:
            logger.debug("a connection was closed under its last words: %s", error)
        else:
            super().call_exception_handler(context)
