"""An agent file as one for the package `vision_agents` is: its Agent, its base classes, its events and its metrics.

Only the components behind those base classes are made up, so that it needs neither keys nor network: the caller says a
sentence, which is heard, answered with a function call and spoken. It runs in the environment that `environment.py`
makes, under this project's Runner. Where GREENROOM_TEST_JOURNAL names a file, each step of each agent is a line in it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from getstream.video.rtc import AudioStreamTrack, PcmData
from vision_agents.core import Agent, User
from vision_agents.core.agents.conversation import InMemoryConversation
from vision_agents.core.edge import EdgeTransport
from vision_agents.core.edge.events import AudioReceivedEvent, CallEndedEvent
from vision_agents.core.edge.types import Connection, Participant
from vision_agents.core.llm.llm import LLM, LLMResponseDelta, LLMResponseFinal
from vision_agents.core.stt.stt import STT, TranscriptResponse
from vision_agents.core.tts.tts import TTS

from greenroom import AgentLauncher, Runner

RATE = 16_000
CALLER = Participant(original=None, user_id="caller", id="caller-1")
SECOND = Participant(original=None, user_id="second", id="second-1")


def note(event: str, session: str) -> None:
    """One write in append mode: lines of many processes do not mix."""
    path = os.environ.get("GREENROOM_TEST_JOURNAL")
    if path:
        line = {"at": time.monotonic(), "event": event, "session": session, "process": os.getpid()}
        line["pod"] = os.environ.get("GREENROOM_POD_NAME", "")
        with Path(path).open("ab", buffering=0) as journal:
            journal.write(json.dumps(line).encode() + b"\n")


class Call:
    def __init__(self, call_id: str) -> None:
        self.id = call_id


class Line(Connection):
    """A line with one caller on it from the beginning."""

    def __init__(self, alone: bool) -> None:
        self._idle_since = time.time() if alone else 0.0
        self.closed = False

    async def close(self) -> None:
        self.closed = True

    async def wait_for_participant(self, timeout: float | None = None) -> None:
        return None

    def idle_since(self) -> float:
        return self._idle_since


class Track(AudioStreamTrack):
    """Takes what the agent says, and keeps count of it."""

    def __init__(self) -> None:
        super().__init__(sample_rate=RATE, channels=1)
        self.heard_samples = 0

    async def write(self, pcm: PcmData, *_: Any, **__: Any) -> None:
        self.heard_samples += len(pcm.samples)

    async def flush(self) -> None:
        return None


class Edge(EdgeTransport[Call]):
    def __init__(self, *, speakers: int, alone: bool, call_ends: bool) -> None:
        super().__init__()
        self._speakers = (CALLER, SECOND)[:speakers]
        self._alone = alone
        self._call_ends = call_ends
        self._call = Call("")
        self._tasks: set[asyncio.Task[None]] = set()
        self.line: Line | None = None

    async def authenticate(self, user: User) -> None:
        return None

    async def create_call(self, call_id: str, **_: Any) -> Call:
        self._call = Call(call_id)
        return self._call

    def create_audio_track(self) -> AudioStreamTrack:
        return Track()

    def open_demo(self, *_: Any, **__: Any) -> None:
        return None

    async def join(self, agent: Agent, call: Call, **_: Any) -> Connection:
        self.line = Line(self._alone)
        self._tasks.add(asyncio.create_task(self._speak()))
        note("joined", agent.id)
        return self.line

    async def publish_tracks(self, audio_track: Any, video_track: Any) -> None:
        return None

    async def create_conversation(self, call: Call, user: User, instructions: str) -> InMemoryConversation:
        return InMemoryConversation(messages=[], instructions=instructions)

    def add_track_subscriber(self, track_id: str) -> None:
        return None

    async def send_custom_event(self, data: dict[str, Any]) -> None:
        return None

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _speak(self) -> None:
        """100 ms of sound from everybody, time and again, until the agent has left."""
        sound = PcmData(
            samples=(np.sin(np.arange(RATE // 10) / 9) * 9_000).astype(np.int16),
            sample_rate=RATE,
            format="s16",
            channels=1,
        )
        for round_number in range(10_000):
            for speaker in self._speakers:
                self.events.send(AudioReceivedEvent(plugin_name="made up", pcm_data=sound, participant=speaker))
            await asyncio.sleep(0.1)
            if self._call_ends and round_number == 10:
                self.events.send(CallEndedEvent(plugin_name="made up", call=self._call))


class Listener(STT):
    """Understands one sentence, once half a second of sound has come in."""

    turn_detection = True

    def __init__(self) -> None:
        super().__init__(provider_name="made up")
        self._milliseconds = 0.0
        self._said = False

    async def process_audio(self, pcm_data: PcmData, participant: Participant) -> None:
        self._milliseconds += pcm_data.duration_ms
        if self._milliseconds < 500 or self._said:
            return
        self._said = True
        response = TranscriptResponse(
            confidence=0.9, language="en", processing_time_ms=21.0, audio_duration_ms=self._milliseconds
        )
        self._emit_turn_started_event(participant)
        self._emit_transcript_event("What is the weather in Boston?", participant, response)
        self._emit_turn_ended_event(participant, duration_ms=self._milliseconds, trailing_silence_ms=80.0)


class Thinker(LLM):
    """Calls the function that it has been given and says what comes back."""

    provider_name = "made up"
    model = "made-up-1"

    async def simple_response(self, text: str, participant: Participant | None = None) -> Any:
        answer = f"You said: {text}"
        if "weather" in text:
            answer = str(await self.call_function("get_weather", {"location": "Boston"}))
            self.metrics.on_tool_call(
                provider=self.provider_name, tool_name="get_weather", success=True, execution_time_ms=1.5
            )
        yield LLMResponseDelta(delta=answer, is_first_chunk=True, time_to_first_token_ms=4.0)
        yield LLMResponseFinal(
            text=answer, latency_ms=12.0, time_to_first_token_ms=4.0, input_tokens=11, output_tokens=7
        )


class Speaker(TTS):
    def __init__(self) -> None:
        super().__init__(provider_name="made up")

    async def stream_audio(self, text: str, *_: Any, **__: Any) -> PcmData:
        samples = np.zeros(len(text) * RATE // 50, dtype=np.int16)
        return PcmData(samples=samples, sample_rate=RATE, format="s16", channels=1)

    async def stop_audio(self) -> None:
        return None


class Noted(Agent):
    """Theirs, with lines in the journal for the beginning and the end of its session."""

    in_session = False

    def begin(self) -> None:
        self.in_session = True
        note("built", self.id)

    async def close(self) -> None:
        await super().close()
        if self.in_session and self.closed:
            self.in_session = False
            note("left", self.id)


async def create_agent(speakers: int = 1, alone: bool = False, call_ends: bool = False) -> Noted:
    agent = Noted(
        edge=Edge(speakers=speakers, alone=alone, call_ends=call_ends),
        agent_user=User(name="Assistant", id=f"agent-{uuid.uuid4().hex[:8]}"),
        instructions="You are a helpful voice assistant.",
        llm=Thinker(),
        tts=Speaker(),
        stt=Listener(),
    )

    @agent.llm.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        return f"The weather in {location} is sunny and 72°F."

    return agent


async def join_call(agent: Noted, call_type: str, call_id: str) -> None:
    agent.begin()
    call = await agent.create_call(call_type, call_id)
    async with agent.join(call):
        await agent.simple_response("Hello! How can I help you today?")
        await agent.finish()


if __name__ == "__main__":
    Runner(AgentLauncher(create_agent=create_agent, join_call=join_call)).cli()
