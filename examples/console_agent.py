"""An agent to talk to at this machine, without a key and without a network: type to it, or speak.

    python examples/console_agent.py run                                          talk to it
    echo "What is the weather in Paris?" | python examples/console_agent.py run   ask it one thing

Speaking takes a microphone and the package sounddevice; without them it can be typed to all the same.
"""

from greenroom import Agent, AgentLauncher, Runner, User, console
from greenroom.plugins import local


async def create_agent() -> Agent:
    agent = Agent(
        edge=console.Edge(),
        agent_user=User(name="Assistant", id="agent"),
        instructions="You are a helpful voice assistant.",
        llm=local.LLM(),
        stt=local.STT(),
        tts=local.TTS(),
        vad=local.VAD(),
    )

    @agent.llm.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        return f"The weather in {location} is sunny and 72°F."

    return agent


async def join_call(agent: Agent, call_type: str, call_id: str) -> None:
    call = await agent.create_call(call_type, call_id)
    async with agent.join(call):
        await agent.simple_response("Hello!")
        await agent.finish()


if __name__ == "__main__":
    Runner(AgentLauncher(create_agent=create_agent, join_call=join_call)).cli()
