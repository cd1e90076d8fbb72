"""Whatever a model says, in whatever order: the call goes on, and what it leaves is whole."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.scripted_realtime import Realtime, RealtimeStage
from tests.fakes.scripted_voice import Edge, tone
from tests.fakes.virtual_time import run_virtual

from greenroom.agent import Agent, ToolCall, User
from greenroom.agent.events import AgentTurnEndedEvent, AgentTurnStartedEvent, UserTurnEndedEvent, UserTurnStartedEvent
from greenroom.agent.interfaces import Usage
from greenroom.agent.realtime import (
    CallsUnwanted,
    CallsWanted,
    RealtimeTrouble,
    ReplyDropped,
    ReplyOver,
    ReplySound,
    ReplyWords,
    UserBegan,
    UserOver,
    UserSaid,
    UserSoFar,
)

SOUND = ReplySound(tone(0.3))
SAID = (
    UserBegan(),
    UserSoFar("so far"),
    UserOver(),
    UserSaid("all of it"),
    ReplyWords("Some words. "),
    ReplyWords("more"),
    SOUND,
    ReplySound(b""),
    ReplyOver(),
    ReplyOver(whole=False),
    ReplyDropped(),
    CallsWanted((ToolCall("1", "work", {"seconds": 0.2}),)),
    CallsWanted((ToolCall("2", "work", {"seconds": 40}), ToolCall("3", "nothing", {}))),
    CallsUnwanted(("1", "2")),
    Usage(1, 1),
    RealtimeTrouble(OSError("line")),
)
ASKED = ("say", "text", "typed", "interrupting")
STEPS = st.lists(st.sampled_from(SAID) | st.sampled_from(ASKED) | st.sampled_from((0.01, 0.25, 1.5)), max_size=30)


@given(steps=STEPS)
@settings(max_examples=150, deadline=None)
def test_any_order(steps: list[Any]) -> None:
    stage = RealtimeStage()

    @stage.model.register_function()
    async def work(seconds: float) -> str:
        await stage.clock.sleep(seconds)
        return "done"

    asked: list[asyncio.Task[None]] = []

    def ask(how: str) -> None:
        agent = stage.agent
        answer = {
            "say": lambda: agent.say("exactly"),
            "text": lambda: agent.simple_response("text", interrupt=False),
            "typed": lambda: agent.user_said("typed", interrupt=False),
            "interrupting": lambda: agent.simple_response("now"),
        }[how]
        asked.append(asyncio.create_task(answer()))

    async def scene() -> None:
        before = asyncio.all_tasks()
        async with stage.on_call() as connection:
            for step in steps:
                if isinstance(step, float):
                    await stage.clock.sleep(step)
                elif isinstance(step, str):
                    ask(step)
                else:
                    stage.model.say(step)
            stage.model.say(UserOver(), UserBegan())
            sent = list(connection.sent)
            await stage.clock.sleep(1)
            assert connection.sent[len(sent) :] == [], "nothing is heard while the user speaks"
        await asyncio.gather(*asked, return_exceptions=True)
        assert asyncio.all_tasks() <= before

    run_virtual(scene())
    started, ended = stage.seen(AgentTurnStartedEvent), stage.seen(AgentTurnEndedEvent)
    assert len(started) <= len(ended)
    assert len(stage.seen(UserTurnEndedEvent)) <= len(stage.seen(UserTurnStartedEvent))
    exported = stage.agent.conversation.export()
    Agent(edge=Edge(stage.clock), llm=Realtime(stage.clock), agent_user=User(id="a")).conversation.restore(exported)
