"""A voice agent that needs no key and no network: it is asked a question aloud and answers it aloud.

    python examples/voice_agent.py run        one conversation, here
    python examples/voice_agent.py runtime    in a pod: every session of this pod

The caller is made by the same voice engine: it says `question`, hears the answer and then either stays on the
line without a word or, with `hang_up_after_answer`, hangs up. GREENROOM_RECORD_DIR, where set, is the
directory that gets `<session id>.wav` with what the agent said.
"""

import os
from pathlib import Path

from greenroom import Agent, AgentLauncher, Runner, User
from greenroom.plugins import local, wav

DEFAULT_QUESTION = "What is the weather in Boston?"
MAX_QUESTION_CHARACTERS = 300


async def create_agent(question: str = DEFAULT_QUESTION, hang_up_after_answer: bool = False) -> Agent:
    """Called once for each session, with the session's parameters."""
    if not isinstance(question, str) or not 0 < len(question) <= MAX_QUESTION_CHARACTERS:
        raise ValueError(f"question: it takes a text of 1 to {MAX_QUESTION_CHARACTERS} characters")
    caller = wav.Caller([question], voice=local.TTS(seed=7), hang_up_after_answer=hang_up_after_answer)
    agent = Agent(
        edge=wav.Edge(caller, record_dir=record_dir()),
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


async def join_call(agent: Agent, call_type: str, call_id: str) -> None:
    """Called when the agent is to join a call; the session lasts as long as this runs."""
    call = await agent.create_call(call_type, call_id)
    async with agent.join(call):
        await agent.finish()


def record_dir() -> Path | None:
    directory = os.environ.get("GREENROOM_RECORD_DIR")
    return Path(directory) if directory else None


if __name__ == "__main__":
    Runner(AgentLauncher(create_agent=create_agent, join_call=join_call)).cli()
