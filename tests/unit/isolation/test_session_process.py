"""The session process's own part, without a process: what it does when there is no memory even to report."""

from __future__ import annotations

import asyncio
import pickle
import socket
from typing import Any

from tests.integration.isolation.agents import create_agent, join_call

from greenroom.isolation import kernel, wire
from greenroom.isolation.session_process import SessionProcess
from greenroom.notices import Assignment
from greenroom.recipe import Recipe
from greenroom_core.model.reasons import EndReason


class FullOnce:
    """A stream writer that finds no memory the first time it is looked at."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._looked_at = False

    @property
    def transport(self) -> Any:
        if not self._looked_at:
            self._looked_at = True
            raise MemoryError
        return self._writer.transport

    def write(self, data: bytes) -> None:
        self._writer.write(data)


async def test_without_memory_to_report_the_session_ends_and_says_why(monkeypatch: Any) -> None:
    lifted = []
    monkeypatch.setattr(kernel, "limit_memory", lambda more: None)
    monkeypatch.setattr(kernel, "lift_memory_limit", lambda: lifted.append(True))
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    far_reader, far_writer = await asyncio.open_unix_connection(sock=theirs)
    order = wire.Assign(pickle.dumps(Assignment("s1", "one")), 64 << 20, 0.05)
    full: Any = FullOnce(writer)
    async with asyncio.timeout(60):
        await SessionProcess(order, Recipe(create_agent, join_call), reader, full).run()
    writer.close()
    said = []
    while (message := await wire.read(far_reader, wire.FROM_SESSION)) is not None:
        said.append(message)
    far_writer.close()
    assert lifted
    assert isinstance(said[-1], wire.LifeEnded)
    assert said[-1].reason is EndReason.AGENT_ERROR
    assert said[-1].message == "the session's process exceeded its memory limit of 64 MiB"
