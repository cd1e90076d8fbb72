"""A voice agent that needs no key and no network: it is asked a question aloud and answers it aloud.

    python examples/voice_agent.py run        one conversation, here
    python examples/voice_agent.py serve      an HTTP server; http://127.0.0.1:8000/talk is a page to speak with it
    python examples/voice_agent.py runtime    in a pod: every session of this pod

Who comes with an `offer`, as the page does, speaks by WebRTC (extra `webrtc`). For everybody else the same voice
engine makes a caller: it says `question`, hears the answer and then either stays on the line without a word or,
with `hang_up_after_answer`, hangs up. GREENROOM_RECORD_DIR, where set, is the directory that gets
`<session id>.wav` with what the agent said to that caller.
"""

import os
from pathlib import Path

from greenroom import Agent, AgentLauncher, Runner, User
from greenroom.plugins import local, wav

DEFAULT_QUESTION = "What is the weather in Boston?"
MAX_QUESTION_CHARACTERS = 300


async def create_agent(
    question: str = DEFAULT_QUESTION, hang_up_after_answer: bool = False, offer: str | None = None
) -> Agent:
    """Called once for each session, with the session's parameters."""
    agent = Agent(
        edge=local.Edge(offer) if offer else made_call(question, hang_up_after_answer),
        agent_user=User(name="Assistant", id="agent"),
        instructions="You are a helpful voice assistant.",
        llm=local.LLM(),
        stt=local.STT(),
        tts=local.TTS(seed=1),
        vad=local.VAD(),
    )

    @agent.llm.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        return f"The weather in {location} is sunny and 72°F."

    return agent


async def join_call(agent: Agent, call_type: str, call_id: str, offer: str | None = None) -> None:
    """Called when the agent is to join a call; the session lasts as long as this runs."""
    call = await agent.create_call(call_type, call_id)
    async with agent.join(call):
        if offer:
            await agent.say("Hello! Ask me about the weather.")
        await agent.finish()


def made_call(question: str, hang_up_after_answer: bool) -> wav.Edge:
    if not isinstance(question, str) or not 0 < len(question) <= MAX_QUESTION_CHARACTERS:
        raise ValueError(f"question: it takes a text of 1 to {MAX_QUESTION_CHARACTERS} characters")
    caller = wav.Caller([question], voice=local.TTS(seed=7), hang_up_after_answer=hang_up_after_answer)
    return wav.Edge(caller, record_dir=record_dir())


def record_dir() -> Path | None:
    directory = os.environ.get("GREENROOM_RECORD_DIR")
    return Path(directory) if directory else None


if __name__ == "__main__":
    Runner(AgentLauncher(create_agent=create_agent, join_call=join_call)).cli()
