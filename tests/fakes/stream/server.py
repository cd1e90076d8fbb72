"""Coordinator and SFU on one port of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from aiohttp import web
from tests.fakes.stream.coordinator import Coordinator
from tests.fakes.stream.faults import Faults
from tests.fakes.stream.room import Room
from tests.fakes.stream.sfu import Sfu
from tests.fakes.stream.tokens import Credentials

if TYPE_CHECKING:
    from types import TracebackType


class FakeStream:
    """Use as `async with FakeStream() as stream`, and point the SDK at `stream.url` and `stream.ws_url`."""

    def __init__(self, credentials: Credentials | None = None, *, port: int = 0) -> None:
        self.credentials = credentials or Credentials()
        self.faults = Faults()
        self.rooms: dict[str, Room] = {}
        self._port = port
        self.coordinator = Coordinator(self.credentials, self.faults, self.room, lambda: self.address)
        self._sfu = Sfu(self.faults, self.room)
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.address}"

    def room(self, cid: str) -> Room:
        return self.rooms.setdefault(cid, Room(cid))

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes([*self.coordinator.routes(), *self._sfu.routes()])
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sfu.close()
        if self._runner is not None:
            await self._runner.cleanup()
