"""`greenroom demo`: the main job before one's eyes. One spoken session from POST to Closed, then the end.

It speaks to the API as any client would, and reads the rest where anybody could: the AgentSession and the pod's log.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import wave
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp

from greenroom_core.kube.client import Selection
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model.phases import Phase
from greenroom_local.recording import listen
from greenroom_local.signals import until_asked_to_end
from greenroom_local.stack import NAMESPACE, Plan, Stack, running
from greenroom_local.up import short

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.session import AgentSession

CALL = "demo"
QUESTION = "What is the weather in Boston?"
_STEP_SECONDS = 90.0
_POLL_SECONDS = 0.1
_TRANSCRIPT = re.compile(r"transcript (user|agent): (.*?)(?: \w+=\S+)*$", re.MULTILINE)
_SHOWN_METRICS = {
    "stt_latency_ms__avg": "speech to text {:.0f} ms",
    "llm_latency_ms__avg": "answer {:.0f} ms",
    "tts_latency_ms__avg": "text to speech {:.0f} ms",
    "tts_audio_duration_ms__total": "spoken {:.0f} ms",
    "llm_tool_calls__total": "tool calls {:.0f}",
}


class DemoFailed(Exception):
    """A part of the main job did not happen; the message says which."""


async def demo(plan: Plan, answer: Path, say: Callable[[str], None]) -> None:
    """Do it, with the spoken answer in `answer`. Raises DemoFailed, and what :func:`running` raises."""
    records = _clear(plan.directory / "recordings", answer)
    plan = replace(plan, agent_environment={"GREENROOM_RECORD_DIR": str(records.resolve())})
    if not await until_asked_to_end(_perform(plan, say), say):
        raise DemoFailed("it was ended before its end")
    name = _take_answer(records, answer, say)
    say(f"demo: Running and Closed, answer in {name}")


async def _perform(plan: Plan, say: Callable[[str], None]) -> None:
    async with running(plan, say) as stack, stack.plane.client() as client:
        await _Performance(stack, client, say).play()


class _Performance:
    """The session as it is seen from outside."""

    def __init__(self, stack: Stack, client: KubeClient, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._client = client
        self._say = say
        self._begun = stack.clock.boot()
        self._session: AgentSession | None = None
        self._phases: list[Phase] = []
        self._news = asyncio.Event()

    async def play(self) -> None:
        feed = Feed(self._client, SESSIONS, Selection(NAMESPACE), self._on_change)
        looking = asyncio.create_task(feed.run())
        try:
            await feed.synced.wait()
            async with aiohttp.ClientSession(self._stack.api_url) as http:
                await self._scenes(http)
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking

    async def _scenes(self, http: aiohttp.ClientSession) -> None:
        path = f"/calls/{CALL}/sessions"
        self._tell(f"POST {path}   (the caller will ask: {QUESTION})")
        started = await _ask(http, "POST", path, 201, {"parameters": {"question": QUESTION}})
        self._tell(f"201, session {started['session_id']}")
        await self._conversation()
        path = f"{path}/{started['session_id']}"
        metrics = await _ask(http, "GET", f"{path}/metrics", 200)
        self._tell(f"metrics: {_readable(metrics['metrics'])}")
        await _ask(http, "DELETE", path, 202)
        self._tell("DELETE: 202, the agent is asked to leave")
        await self._until_ended()

    async def _conversation(self) -> None:
        """Until the agent has answered aloud."""
        assert self._session is not None
        log = self._stack.node.log_file(self._session.status.pod_name or "")
        shown = 0
        async with _limit(self._stack, f"the agent gave no spoken answer; see {log}"):
            while True:
                lines = _TRANSCRIPT.findall(log.read_text(errors="replace"))
                for who, text in lines[shown:]:
                    self._tell(f"{who + ':':7}{text}")
                if any(who == "agent" and text.strip() for who, text in lines[shown:]):
                    return
                shown = len(lines)
                self._check_alive()
                await self._stack.clock.sleep(_POLL_SECONDS)

    async def _until_ended(self) -> None:
        async with _limit(self._stack, "the session did not end"):
            while not self._phases[-1].terminal:
                self._news.clear()
                await self._news.wait()
        if not (Phase.RUNNING in self._phases and self._phases[-1] is Phase.CLOSED):
            raise DemoFailed(f"the phases were {', '.join(self._phases)}")

    def _check_alive(self) -> None:
        if self._session is not None and self._session.ended:
            status = self._session.status
            raise DemoFailed(f"the session ended too soon: {status.phase}, {status.reason}, {status.message}")

    def _on_change(self, change: Change[AgentSession]) -> None:
        if change.new is None:
            return
        self._session = change.new
        phase = change.new.status.phase
        if not self._phases or self._phases[-1] is not phase:
            self._phases.append(phase)
            self._tell(f"AgentSession is {_described(change.new)}")
        self._news.set()

    def _tell(self, line: str) -> None:
        self._say(f"  {self._stack.clock.boot() - self._begun:5.1f} s  {line}")


def _described(session: AgentSession) -> str:
    status = session.status
    if status.phase is Phase.SCHEDULED:
        return f"Scheduled on {status.pod_name}"
    return f"{status.phase} ({status.reason})" if status.reason else str(status.phase)


def _readable(metrics: Mapping[str, float | None]) -> str:
    parts = [text.format(value) for name, text in _SHOWN_METRICS.items() if (value := metrics.get(name))]
    if not parts:
        raise DemoFailed("the session's metrics are empty")
    return ", ".join(parts)


async def _ask(http: aiohttp.ClientSession, method: str, path: str, expected: int, body: object | None = None) -> Any:
    timeout = aiohttp.ClientTimeout(total=_STEP_SECONDS)
    try:
        async with http.request(method, path, json=body, timeout=timeout) as response:
            if response.status != expected:
                raise DemoFailed(f"{method} {path}: {response.status} {await response.text()}")
            return await response.json() if expected != 202 else None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise DemoFailed(f"{method} {path}: {error!r}") from None


@contextlib.asynccontextmanager
async def _limit(stack: Stack, otherwise: str) -> Any:
    try:
        async with stack.clock.timeout(_STEP_SECONDS):
            yield
    except TimeoutError:
        raise DemoFailed(f"after {_STEP_SECONDS:.0f} s {otherwise}") from None


def _clear(records: Path, answer: Path) -> Path:
    """Nothing of an earlier run may pass for this one's answer."""
    shutil.rmtree(records, ignore_errors=True)
    records.mkdir(parents=True)
    answer.unlink(missing_ok=True)
    return records


def _take_answer(records: Path, answer: Path, say: Callable[[str], None]) -> str:
    recorded = sorted(records.glob("*.wav"))
    if len(recorded) != 1:
        raise DemoFailed(f"expected one recorded answer in {records}, found {len(recorded)}")
    answer.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(recorded[0], answer)
    try:
        sound = listen(answer)
    except (OSError, EOFError, ValueError, wave.Error) as error:
        raise DemoFailed(f"the recorded answer {answer} cannot be read: {error}") from None
    if sound.problem:
        raise DemoFailed(f"the recorded answer {answer} is no answer: {sound.problem}")
    say(f"the spoken answer lasts {sound.seconds:.1f} s")
    return os.fspath(short(answer))
