"""An agent file in the form of the documentation's first example, on Stream; its engines need no key and no network."""

from __future__ import annotations

from greenroom import Agent, AgentLauncher, Runner, User
from greenroom.plugins import getstream, local


async def create_agent() -> Agent:
    agent = Agent(
        edge=getstream.Edge(),
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
    call = await agent.create_call(call_type, call_id)
    async with agent.join(call):
        await agent.simple_response("Hello! How can I help you today?")
        await agent.finish()


launcher = AgentLauncher(create_agent=create_agent, join_call=join_call)

if __name__ == "__main__":
    Runner(launcher).cli()
