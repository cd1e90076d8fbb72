"""An agent to speak with in a browser, without a key: WebRTC, and voice engines of this machine.

    python examples/talk_agent.py serve       then open http://127.0.0.1:8000/talk and press Talk
    python examples/talk_agent.py runtime     in a pod: for the page of the API
    python examples/talk_agent.py run         without a browser, in the console

Needs the extras `api`, `local` and `webrtc`.
"""

from greenroom import Agent, AgentLauncher, Runner, User, console
from greenroom.plugins import local


async def create_agent(offer: str | None = None) -> Agent:
    """Called once for each session, with its parameters: `offer` is the browser's side of the call. Before the first
    session it is called without any, so that the engines are loaded when somebody comes."""
    agent = Agent(
        edge=local.Edge(offer) if offer else console.Edge(),
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
        await agent.say("Hello! Ask me about the weather.")
        await agent.finish()


if __name__ == "__main__":
    Runner(AgentLauncher(create_agent=create_agent, join_call=join_call)).cli()
