"""Who waits for a session is asked at each of its events, however close together they come."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.virtual_time import VirtualClock, run_virtual
from tests.invariants import Recorder, events

from greenroom_core.kube.transport import Answer, Request, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def session(name: str, version: int, phase: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "n", "uid": name, "resourceVersion": str(version)}
    return {"kind": "AgentSession", "metadata": meta, "spec": {}, "status": {"phase": phase}}


class Burst:
    """A transport whose watch of sessions brings all of `phases` at once."""

    def __init__(self, name: str, *phases: str) -> None:
        self._bodies = [session(name, number, phase) for number, phase in enumerate(phases, start=1)]

    async def send(self, request: Request, timeout_seconds: float) -> Answer:
        return Answer(200, json.dumps({"metadata": {"resourceVersion": "0"}, "items": []}).encode(), None)

    @asynccontextmanager
    async def stream(self, request: Request, silence_seconds: float) -> AsyncIterator[Stream]:
        yield Stream(200, self._lines("agentsessions" in request.path))

    async def _lines(self, sessions: bool) -> AsyncIterator[bytes]:
        for body in self._bodies if sessions else ():
            yield json.dumps({"type": "MODIFIED", "object": body}).encode()
        await asyncio.Event().wait()


async def recorded(transport: Burst, name: str, phase: str) -> Any:
    recorder = Recorder(transport, "n", VirtualClock())
    recording = asyncio.create_task(recorder.run())
    try:
        return await recorder.until_session(name, lambda body: events.phase(body) == phase, 5.0)
    finally:
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)


def test_a_phase_that_passes_by_in_one_burst_is_seen() -> None:
    burst = Burst("one", "Pending", "Scheduled", "Running", "Closed")
    assert events.phase(run_virtual(recorded(burst, "one", "Scheduled"))) == "Scheduled"


def test_one_that_never_comes_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        run_virtual(recorded(Burst("one", "Pending", "Scheduled"), "one", "Running"))


def test_an_error_of_the_question_is_the_askers() -> None:
    async def asked() -> Any:
        recorder = Recorder(Burst("one", "Pending"), "n", VirtualClock())
        recording = asyncio.create_task(recorder.run())
        try:
            return await recorder.until_session("one", lambda body: body["nothing"], 5.0)
        finally:
            assert not recording.done(), "it goes on recording"
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)

    with pytest.raises(KeyError, match="nothing"):
        run_virtual(asked())
