"""The vendors' fakes, one of each a test, and what is left of a plugin when it was closed: nothing."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

import pytest
from tests.fakes.certificates import make_certificate
from tests.fakes.deepgram.server import FakeDeepgram
from tests.fakes.elevenlabs.server import FakeElevenLabs
from tests.fakes.gemini.live import FakeLive
from tests.fakes.gemini.server import FakeGemini
from tests.fakes.vendor_server import KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

VARIABLES = (
    "DEEPGRAM_API_KEY",
    "DEEPGRAM_BASE_URL",
    "ELEVENLABS_API_KEY",
    "ELEVENLABS_BASE_URL",
    "GOOGLE_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key and no address from outside."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
async def nothing_left(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Every log line is looked at, also those of the SDKs; no task and no key is left."""
    caplog.set_level(logging.DEBUG)
    before = asyncio.all_tasks()
    yield
    left = [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()]
    assert [task for task in left if not task.done()] == []
    records = (*caplog.get_records("setup"), *caplog.get_records("call"))
    assert [line for line in map(logging.Formatter().format, records) if KEY in line] == []


@pytest.fixture
async def deepgram() -> AsyncIterator[FakeDeepgram]:
    async with FakeDeepgram() as server:
        yield server
        await server.settled()


@pytest.fixture
async def elevenlabs() -> AsyncIterator[FakeElevenLabs]:
    async with FakeElevenLabs() as server:
        yield server
        await server.settled()


@pytest.fixture
async def gemini() -> AsyncIterator[FakeGemini]:
    async with FakeGemini() as server:
        yield server
        await server.settled()


@pytest.fixture
async def gemini_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeLive]:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    async with FakeLive(tls=certificate.server_context()) as server:
        yield server
        await server.settled()


@pytest.fixture
def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
