"""The basic example: a voice assistant on Stream's network with Deepgram, Gemini and ElevenLabs.

    python examples/basic.py run        one call, in the console
    python examples/basic.py serve      a server on http://127.0.0.1:8000, described at /docs

It needs STREAM_API_KEY, STREAM_API_SECRET, DEEPGRAM_API_KEY, GOOGLE_API_KEY and ELEVENLABS_API_KEY, for instance in a
file `.env`, and the extras api, getstream, deepgram, gemini and elevenlabs. console_agent.py and voice_agent.py need no
key.
"""

import logging

from dotenv import load_dotenv

from greenroom import Agent, AgentLauncher, Runner, User
from greenroom.plugins import deepgram, elevenlabs, gemini, getstream

load_dotenv()
logging.basicConfig(level=logging.INFO)


async def create_agent(**kwargs) -> Agent:
    """Factory function that creates and configures an agent."""
    agent = Agent(
        edge=getstream.Edge(),
        agent_user=User(name="Assistant", id="agent"),
        instructions="You are a helpful voice assistant.",
        llm=gemini.LLM("gemini-2.5-flash-lite"),
        tts=elevenlabs.TTS(),
        stt=deepgram.STT(eager_turn_detection=True),
    )

    @agent.llm.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        return f"The weather in {location} is sunny and 72°F."

    return agent


async def join_call(agent: Agent, call_type: str, call_id: str, **kwargs) -> None:
    """Called when the agent should join a call."""
    call = await agent.create_call(call_type, call_id)

    async with agent.join(call):
        await agent.simple_response("Hello! How can I help you today?")
        await agent.finish()


if __name__ == "__main__":
    runner = Runner(AgentLauncher(create_agent=create_agent, join_call=join_call))
    runner.cli()
