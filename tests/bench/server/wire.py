"""An HTTP/1.1 client that costs little, so that the server is measured: one connection, one request at a time."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Wire:
    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = next((line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        return int(answer[9:12]), await self._reader.readexactly(int(length.partition(b":")[2]))


async def load(
    port: int, clients: int, count: int, request: Callable[[int], tuple[str, str, bytes]], status: int
) -> tuple[list[float], list[bytes], float]:
    """`count` requests by so many clients, each sending the next when it has its answer.

    Returns each one's seconds, the answers' bodies and the seconds of all. AssertionError on another status.
    """
    numbers = iter(range(count))
    seconds: list[float] = []
    bodies: list[bytes] = []

    async def client() -> None:
        async with Wire(port) as wire:
            for number in numbers:
                begun = time.perf_counter()
                got, body = await wire.ask(*request(number))
                seconds.append(time.perf_counter() - begun)
                assert got == status, f"{got}: {body!r}"
                bodies.append(body)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return seconds, bodies, time.perf_counter() - begun


def json_of(body: bytes) -> Any:
    return json.loads(body)
