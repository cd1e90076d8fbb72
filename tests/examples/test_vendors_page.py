"""docs/vendors.md: its commands, as they stand there but for the ports, take the example through a call."""

from __future__ import annotations

import re
import shlex
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.examples.program import ROOT, Program

from greenroom.agent.audio import SAMPLE_RATE
from greenroom_local.ports import free_ports

pytest.importorskip("hibari", reason="the extra `local` is not installed")
pytest.importorskip("aiortc", reason="the group `vendors` is not installed")

BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "vendors.md").read_text(), re.DOTALL)
FAKES, VARIABLES, (RUN, SERVE, POST) = (block.strip().splitlines() for block in BLOCKS[1:])
PORTS = sorted(set(re.findall(r"\b81\d\d\b", "".join(BLOCKS))))


class Line(Program):
    """A program as its command line says."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        super().__init__("", environment=environment)
        self._command = (sys.executable, *words)


class Page:
    """The page's lines, with free ports and a folder for what they write."""

    def __init__(self, folder: Path) -> None:
        self._ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        self.answer = folder / "answer.wav"

    def line(self, text: str) -> str:
        text = re.sub(r"\b81\d\d\b", lambda port: self._ports[port[0]], text)
        return text.replace("answer.wav", str(self.answer))

    def program(self, text: str) -> Program:
        python, *words = shlex.split(self.line(text))
        assert python == "python"
        return Line(words, self.environment)

    @property
    def environment(self) -> dict[str, str]:
        pairs = (word.partition("=") for line in VARIABLES for word in shlex.split(self.line(line))[1:])
        return {name: value for name, _, value in pairs}


@asynccontextmanager
async def fakes(page: Page) -> AsyncIterator[list[Program]]:
    """All four, listening."""
    async with AsyncExitStack() as running:
        programs = [await running.enter_async_context(page.program(line)) for line in FAKES]
        for program in programs:
            await program.line(r"http://127\.0\.0\.1:\d+")
        yield programs


async def answered(page: Page, stream: Program) -> None:
    said = await stream.line(r"the caller heard \d.*", seconds=150)
    assert {"weather", "boston", "sunny"} <= set(said[0].split()), stream.output
    assert await stream.end(None) == 0, stream.output
    with wave.open(str(page.answer)) as recorded:
        assert recorded.getnframes() > SAMPLE_RATE


async def test_one_call(tmp_path: Path) -> None:
    page = Page(tmp_path)
    async with fakes(page) as (*_, stream), page.program(RUN) as agent:
        await answered(page, stream)
        assert await agent.end(None) == 0, agent.output
        assert "Traceback" not in agent.output


async def test_a_server(tmp_path: Path) -> None:
    page = Page(tmp_path)
    async with fakes(page) as (*_, stream), page.program(SERVE) as server:
        await server.line("listening on")
        curl, option, method, url = shlex.split(page.line(POST))
        assert (curl, option) == ("curl", "-X")
        async with httpx.AsyncClient(timeout=30) as client:
            assert (await client.request(method, url)).status_code == 201
        await answered(page, stream)
        assert await server.end() == 0, server.output
        assert "Traceback" not in server.output
