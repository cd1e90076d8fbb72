"""The document's basic example in a runtime pod of a whole Greenroom, in a call where people come, ask, and hang up.

Its file is the document's own. The vendors are fakes with their real SDKs in between, but their ears and voice are
real engines: the question is made by a voice, and the answer is recognised again from the sound that reached the call.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.fakes.gemini.server import said
from tests.invariants import events
from tests.seed.vendors import Vendors
from tests.stack import FleetPlan, Stack
from tests.stack.kubectl import session

from greenroom.agent.audio import silence
from greenroom.plugins import local

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fakes.stream import Room
    from tests.fakes.stream.seat import Seat

    from greenroom_local.control_plane import ControlPlane

pytest.importorskip("hibari", reason="the extra `local` is not installed")

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

AGENT = Path(__file__).with_name("blocks") / "basic_example.py"
IMPATIENT = Path(__file__).with_name("impatient.py")
POINTED = Path(__file__).parents[1] / "fakes" / "stream" / "pointed"
QUESTION = "What is the weather in Boston?"
STORY = [f"This is sentence number {number} of a story that takes a while. " for number in range(1, 9)]
DRAIN_SECONDS = 4
LIMIT_SECONDS = 180.0


async def understood(pcm: bytes) -> str:
    utterance = local.STT().utterance()
    pcm = silence(0.3) + pcm + silence(0.3)
    for start in range(0, len(pcm), 3200):
        await utterance.feed(pcm[start : start + 3200])
    return await utterance.finish()


async def speech(text: str) -> bytes:
    return b"".join([pcm async for pcm in local.TTS(seed=7).synthesize(text)])


def surroundings(vendors: Vendors) -> dict[str, str]:
    return {**vendors.environment, "PYTHONPATH": str(POINTED)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendors() -> AsyncIterator[Vendors]:
    async with Vendors() as vendors:
        vendors.deepgram.recognise = understood
        vendors.elevenlabs.voice = local.TTS(seed=1).synthesize
        yield vendors


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, vendors: Vendors, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    drain = DRAIN_SECONDS
    fleet = FleetPlan(pods=1, slots=4, agent=AGENT, drain_timeout_seconds=drain, environment=surroundings(vendors))
    async with Stack(control_plane, tmp_path_factory.mktemp("example"), [fleet]) as stack:
        yield stack
    for vendor in (vendors.deepgram, vendors.elevenlabs, vendors.gemini):
        await vendor.settled()


# --- a conversation ---


async def start(stack: Stack, call: str, by: str, **spec: Any) -> str:
    """The name of a session on `call`, made by REST or by kubectl."""
    if by == "rest":
        return (await stack.api.start(call)).session_id
    await stack.kubectl.apply(session(f"on-{call}", call, **spec))
    return f"on-{call}"


async def quiet(seat: Seat) -> int:
    """Until the agent has finished speaking; how many bytes were heard by then."""
    await seat.ear.until(lambda ear: ear.quiet_seconds >= 0.8)
    return len(seat.ear.pcm)


@pytest.mark.seed_example
@pytest.mark.parametrize("by", ["rest", "kubectl"])
async def test_the_example_hears_a_question_calls_its_function_and_answers_aloud(
    stack: Stack, vendors: Vendors, by: str
) -> None:
    room = vendors.stream.room(f"default:{by}")
    ann = await room.enter("ann")
    question = await speech(QUESTION)
    name = await start(stack, by, by)
    async with asyncio.timeout(LIMIT_SECONDS):
        seat = await room.agent()
        await seat.negotiated()
        greeted = await quiet(seat)
        await ann.speak(question)
        await seat.ear.until(lambda ear: ear.sounds_after(greeted))
        await quiet(seat)
        shown = (await stack.api.metrics(by, name)).body["metrics"]
        await room.leave(ann)
        await room.end()
        status = await stack.until_ended(name)
        await seat.left.wait()
    heard = bytes(seat.ear.pcm)
    assert {"help", "today"} & set((await understood(heard[:greeted])).split()), "the greeting, as the caller heard it"
    assert {"weather", "boston", "sunny"} <= set((await understood(heard[greeted:])).split()), "the answer"
    assert (status["phase"], status["reason"], status.get("message")) == ("Closed", "Finished", None)
    assert_measured(status["metrics"])
    assert_measured(shown)
    assert vendors.gemini.asked[-1]["contents"][-1]["parts"][0]["functionResponse"]["name"] == "get_weather"


def assert_measured(metrics: dict[str, Any]) -> None:
    """Of model, ears and voice there are figures that can only come from this conversation."""
    assert metrics["llm_tool_calls__total"] == 1
    assert metrics["llm_latency_ms__avg"] > 0
    assert metrics["llm_time_to_first_token_ms__avg"] > 0
    assert metrics["llm_input_tokens__total"] >= 3 * 20, "the greeting, the question, the function's result"
    assert metrics["llm_output_tokens__total"] > 0
    assert metrics["stt_latency_ms__avg"] >= 0
    assert 500 < metrics["stt_audio_duration_ms__total"] < 6000
    assert metrics["tts_latency_ms__avg"] > 0
    assert metrics["tts_characters__total"] >= len("The weather in Boston is sunny and 72°F.")
    assert metrics["tts_audio_duration_ms__total"] > 2000
    assert metrics["turn_duration_ms__avg"] > 500


async def test_a_vendor_that_fails_in_a_call_is_survived(stack: Stack, vendors: Vendors) -> None:
    """The first question gets no answer, since the model's key is refused for a while; the second one does."""
    room = vendors.stream.room("default:survived")
    ann = await room.enter("ann")
    question = await speech(QUESTION)
    name = await start(stack, "survived", "rest")
    key, refused = vendors.gemini.key, vendors.gemini.refused
    async with asyncio.timeout(LIMIT_SECONDS):
        seat = await room.agent()
        await seat.negotiated()
        await quiet(seat)
        vendors.gemini.key = "another one"
        await ann.speak(question)
        said_at = time.monotonic()
        await seat.ear.until(lambda ear: vendors.gemini.refused > refused and time.monotonic() > said_at + 2.5)
        assert seat.ear.last_sound_at < said_at, "no answer"
        vendors.gemini.key = key
        before = len(seat.ear.pcm)
        await ann.speak(question)
        await seat.ear.until(lambda ear: ear.sounds_after(before))
        await quiet(seat)
        await room.end()
        status = await stack.until_ended(name)
    assert {"weather", "boston"} <= set((await understood(bytes(seat.ear.pcm[before:]))).split())
    assert (status["phase"], status["reason"]) == ("Closed", "Finished")
    assert status["metrics"]["llm_tool_calls__total"] == 1


# --- and what cuts it short ---


async def story(vendors: Vendors, stack: Stack, call: str, by: str, **spec: Any) -> tuple[Room, Seat, str]:
    """An agent that is telling a long story, with somebody there."""
    vendors.gemini.answers.append(said(*STORY))
    room = vendors.stream.room(f"default:{call}")
    await room.enter("ann")
    name = await start(stack, call, by, **spec)
    async with asyncio.timeout(LIMIT_SECONDS):
        seat = await room.agent()
        await seat.ear.until(lambda ear: ear.sound_seconds > 0.5)
    return room, seat, name


@pytest.mark.parametrize("by", ["sfu", "coordinator"])
async def test_a_call_that_ends_in_mid_sentence_is_no_error(stack: Stack, vendors: Vendors, by: str) -> None:
    room, seat, name = await story(vendors, stack, f"ended-by-{by}", "rest")
    await (room.end() if by == "sfu" else room.end_by_coordinator())
    status = await stack.until_ended(name)
    assert (status["phase"], status["reason"], status.get("message")) == ("Closed", "Finished", None)
    assert status["metrics"]["tts_audio_duration_ms__total"] > 0
    async with asyncio.timeout(60):
        await seat.left.wait()


async def test_a_participant_who_leaves_for_good_in_mid_sentence(stack: Stack, vendors: Vendors) -> None:
    limits = {"idleTimeoutSeconds": 1.5}
    room, seat, name = await story(vendors, stack, "left", "kubectl", limits=limits)
    left_at = time.monotonic()
    await room.leave(room.callers[0])
    status = await stack.until_ended(name)
    assert (status["phase"], status["reason"]) == ("Closed", "Idle")
    assert 1.5 <= time.monotonic() - left_at < 60
    async with asyncio.timeout(60):
        await seat.left.wait()


async def test_a_network_that_goes_away_in_mid_sentence_and_stays_away(stack: Stack, vendors: Vendors) -> None:
    fleet = FleetPlan(name="impatient", pods=1, slots=1, agent=IMPATIENT, environment=surroundings(vendors))
    await stack.apply_fleet(fleet)
    await stack.until_pods_ready(1, "impatient")
    _, seat, name = await story(vendors, stack, "lost", "kubectl", runtime="impatient")
    vendors.stream.faults.mute_sfu = True
    try:
        await seat.cut()
        status = await stack.until_ended(name)
    finally:
        vendors.stream.faults.mute_sfu = False
    assert (status["phase"], status["reason"]) == ("Failed", "AgentError")
    assert status["message"] == "StreamError: the connection to Stream fell and was not back within 2 s"
    assert status["metrics"]["tts_characters__total"] > 0


async def test_a_pod_that_drains_in_mid_sentence(stack: Stack, vendors: Vendors) -> None:
    """The agent speaks on for as long as a drain may take, then leaves as at the end of any call."""
    room, seat, name = await story(vendors, stack, "drained", "rest")
    pod = str(events.status(await stack.until_phase(name, "Running"))["podName"])
    spoken = seat.ear.sound_seconds
    drained_at = time.monotonic()
    await stack.kubectl.ok("delete", "pod", pod, "--wait=false")
    async with asyncio.timeout(LIMIT_SECONDS):
        await seat.ear.until(lambda ear: ear.sound_seconds > spoken + DRAIN_SECONDS / 2)
        assert not seat.left.is_set()
        await seat.left.wait()
    assert DRAIN_SECONDS <= time.monotonic() - drained_at < DRAIN_SECONDS + 60
    status = await stack.until_ended(name)
    assert (status["phase"], status["reason"]) == ("Closed", "Drained")
    assert status["metrics"]["llm_output_tokens__total"] == len(STORY)
    assert status["metrics"]["tts_characters__total"] > len(STORY[0])
    await stack.recorder.until(lambda: stack.recorder.pod(pod) is None, 30, "the end of the pod")
    await room.leave(room.callers[0])
    await stack.until_pods_ready(1)
