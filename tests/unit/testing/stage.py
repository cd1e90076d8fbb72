"""Agents to hold conversations with."""

from __future__ import annotations

from typing import Any

from greenroom import Agent, User
from greenroom.agent import calls, interfaces
from greenroom.testing import Call, ScriptedLLM, ScriptedSTT, ScriptedTTS

WEATHER = "The weather in {} is sunny and 72°F."


class Unreachable(calls.Edge):
    """A vendor's network: nobody may get there from a test."""

    def __init__(self) -> None:
        self.closed = 0

    async def authenticate(self, user: object) -> None:
        raise AssertionError("the agent went to the network")

    async def join(self, *_: object) -> calls.Connection:
        raise AssertionError("the agent went to the network")

    async def close(self) -> None:
        self.closed += 1


def weather_script() -> ScriptedLLM:
    return ScriptedLLM([Call("get_weather", location="Boston"), "It is sunny. ", "And warm."], "You are welcome.")


def build(llm: interfaces.LLM | None = None, **parts: Any) -> Agent:
    """An agent with one function; its parts are scripted where not given."""
    parts = {"edge": Unreachable(), "stt": ScriptedSTT(), "tts": ScriptedTTS(), **parts}
    agent = Agent(agent_user=User(name="Assistant", id="agent"), llm=llm or weather_script(), **parts)

    @agent.llm.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        return WEATHER.format(location)

    return agent
