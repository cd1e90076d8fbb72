"""Agents of the package `vision_agents` itself run under our launcher and in our runtime pods, unchanged."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.stack import FleetPlan, Stack
from tests.unit.test_exports import IMPORT_LINES

from greenroom_core.model.metrics import SessionMetrics

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane

ROOT = Path(__file__).resolve().parents[2]
AGENT = Path(__file__).with_name("their_agent.py")
STORY_SECONDS = 60.0


async def told(python: Path, story: str) -> dict[str, Any]:
    """What `under_launcher` saw, in the environment that has the package."""
    process = await asyncio.create_subprocess_exec(
        python, "-m", "tests.interop.under_launcher", story, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(STORY_SECONDS):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-4000:]
    seen: dict[str, Any] = json.loads(out.splitlines()[-1])
    return {**seen, "stderr": errors.decode()}


def left_nothing_behind(seen: dict[str, Any]) -> bool:
    return bool(seen["closed"] and seen["line_closed"] and seen["finished"] and not seen["tasks_left"])


async def test_it_talks_and_is_closed(their_python: Path) -> None:
    seen = await told(their_python, "talk")
    assert seen["id"] == seen["agent_id"], "the agent bears the session's name"
    assert seen["same_agent"]
    assert seen["warm_up_closed"]
    metrics = seen["metrics"]
    assert len(metrics) == 25
    assert metrics["llm_tool_calls__total"] == 1
    assert metrics["stt_latency_ms__avg"] == 21.0
    assert metrics["vlm_inference_latency_ms__avg"] is None
    assert 0 < seen["on_call_for"] < STORY_SECONDS
    assert seen["listed"] == [[seen["id"], "Closed", "CloseRequested"]]
    assert left_nothing_behind(seen), seen


async def test_its_filter_needs_no_download(their_python: Path) -> None:
    """Its filter for several speakers loads a model from the network at the first warm-up. Where that cannot be had,
    everything starts all the same, and an agent with two people in its call still hears."""
    seen = await told(their_python, "two-speakers")
    assert seen["metrics"]["stt_latency_ms__avg"] == 21.0
    assert "Error in audio consumer" not in seen["stderr"]
    assert left_nothing_behind(seen), seen


@pytest.mark.parametrize(("story", "reason"), [("idle", "Idle"), ("duration", "MaxDuration")])
async def test_limits_end_it(their_python: Path, story: str, reason: str) -> None:
    seen = await told(their_python, story)
    assert seen["listed"] == [[seen["id"], "Closed", reason]]
    assert left_nothing_behind(seen), seen


async def test_it_leaves_when_the_launcher_stops(their_python: Path) -> None:
    seen = await told(their_python, "stop")
    assert left_nothing_behind(seen), seen


async def test_the_call_ends(their_python: Path) -> None:
    """Its own end of a closing that was begun by the call's end never comes: its event handler and its closing wait for
    each other, which leaves `closed` False though all has been released. That must not keep the session."""
    seen = await told(their_python, "call-ends")
    assert seen["listed"] == [[seen["id"], "Closed", "Finished"]]
    assert seen["finished"]
    assert seen["line_closed"]


async def test_in_a_process_of_its_own(their_python: Path) -> None:
    seen = await told(their_python, "isolated")
    assert seen["metrics"]["stt_latency_ms__avg"] == 21.0
    assert seen["listed"] == [[seen["id"], "Closed", "CloseRequested"]]


@pytest.mark.integration
async def test_in_a_runtime_pod(
    their_python: Path, control_plane: ControlPlane, installed_crds: None, tmp_path: Path
) -> None:
    fleet = FleetPlan(pods=1, slots=4, agent=AGENT, python=str(their_python))
    async with Stack(control_plane, tmp_path, [fleet]) as stack:
        started = await stack.api.start("their-call")
        name = started.session_id
        await stack.until(name, lambda body: "joinedAt" in body["status"])
        async with asyncio.timeout(STORY_SECONDS):
            while True:  # each request has the pod tell its figures of that moment
                answer = await stack.api.ask("GET", f"/calls/their-call/sessions/{name}/metrics")
                if answer.body["metrics"]["llm_tool_calls__total"]:
                    break
        assert set(answer.body["metrics"]) == set(SessionMetrics.__struct_fields__)
        assert answer.body["metrics"]["turn_duration_ms__avg"] > 0
        assert (await stack.api.close("their-call", name)).status == 202
        ended = await stack.until_ended(name)
        assert (ended["phase"], ended["reason"]) == ("Closed", "CloseRequested")
        assert [line.event for line in stack.journal.of(name)] == ["built", "joined", "left"], "under the object's name"


async def test_their_import_lines_are_what_the_document_says(their_python: Path) -> None:
    """The left column of the table in docs/migrating.md; their plugins are packages of their own."""
    lines = [theirs for theirs, _ in IMPORT_LINES if "plugins" not in theirs]
    assert len(lines) >= 10
    process = await asyncio.create_subprocess_exec(their_python, "-c", "\n".join(lines))
    assert await process.wait() == 0
