"""Stream, played by the fake; the SDK itself is the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

pytest.importorskip("getstream_rtc", reason="the test tools of the group `vendors` are not installed")

from tests.fakes.stream import FakeStream, Room, pointed_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def stream(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeStream]:
    for name in ("STREAM_API_KEY", "STREAM_API_SECRET", "STREAM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    async with FakeStream() as fake:
        with pointed_at(fake.ws_url):
            yield fake


@pytest.fixture
def room(stream: FakeStream) -> Room:
    return stream.room("default:demo")
