"""`agent.checkpoint`: what is kept is as it was then, and hosts hear of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.virtual_time import run_virtual
from tests.fakes.voice_stage import Stage

from greenroom.agent import Agent, Conversation, events
from greenroom.agent.interfaces import TextDelta
from greenroom.checkpoints.form import decoded


def test_hosts_hear_each_and_late_ones_the_latest() -> None:
    agent = Stage().agent
    early: list[str] = []
    late: list[str] = []
    agent.on_checkpoint(early.append)
    agent.checkpoint({"n": 1})
    agent.checkpoint({"n": 2})
    agent.on_checkpoint(late.append)
    assert (early, late) == (['{"n":1}', '{"n":2}'], ['{"n":2}'])


def test_what_is_kept_does_not_change_afterwards() -> None:
    agent = Stage().agent
    told: list[str] = []
    state = {"said": ["one"]}
    agent.checkpoint(state)
    state["said"].append("two")
    agent.on_checkpoint(told.append)
    assert told == ['{"said":["one"]}']


def test_what_cannot_be_kept_leaves_what_was_kept() -> None:
    agent = Stage().agent
    told: list[str] = []
    agent.on_checkpoint(told.append)
    agent.checkpoint({"n": 1})
    with pytest.raises(ValueError, match="a checkpoint of 20010 bytes, and at most 16384 can be kept"):
        agent.checkpoint({"said": "a" * 19_999})
    assert told == ['{"n":1}']


def test_after_each_turn_the_conversation_so_far_can_be_kept() -> None:
    kept: list[str] = []
    stage = Stage(answers=[[TextDelta("Good.")], [TextDelta("Bye.")]])

    async def scene(agent: Agent) -> None:
        agent.on_checkpoint(kept.append)

        @agent.subscribe
        async def keep(event: events.AgentTurnEndedEvent) -> None:
            agent.checkpoint({"conversation": agent.conversation.export(max_bytes=12_000)})

        async with stage.on_call():
            await agent.simple_response("How are you?")
            await agent.simple_response("And now?")

    run_virtual(scene(stage.agent))
    latest = decoded(kept[-1])
    assert latest is not None
    conversation = Conversation()
    conversation.restore(latest["conversation"])
    said: list[tuple[Any, ...]] = [(message.role, message.text) for message in conversation.messages]
    assert said == [("user", "How are you?"), ("assistant", "Good."), ("user", "And now?"), ("assistant", "Bye.")]
