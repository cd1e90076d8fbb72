"""A conversation as a session's later attempt: what the agent is given, and what it has kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fakes.voice_stage import Stage

from greenroom.agent import Agent
from greenroom.errors import InvalidParameters
from greenroom.testing import Conversation, ScriptedLLM


async def join_call(agent: Agent, call_type: str, call_id: str, checkpoint: dict[str, Any] | None = None) -> None:
    agent.checkpoint({"given": checkpoint})
    async with agent.join(await agent.create_call(call_type, call_id)):
        await agent.finish()


def conversation(**more: Any) -> Conversation:
    return Conversation(Stage().agent, join_call, llm=ScriptedLLM(), text_only=True, **more)


@pytest.mark.parametrize("checkpoint", [None, {}, {"said": ["one"]}])
async def test_it_is_given_and_seen(checkpoint: Any) -> None:
    async with conversation(checkpoint=checkpoint) as talk:
        assert talk.checkpoint == {"given": checkpoint}


async def test_an_agent_that_keeps_nothing_shows_none() -> None:
    async with Conversation(Stage().agent, llm=ScriptedLLM(), text_only=True, checkpoint={"unused": True}) as talk:
        assert talk.checkpoint is None


async def test_what_is_kept_on_the_way_out_is_seen_after_the_block() -> None:
    async def keeps_at_the_end(agent: Agent, call_type: str, call_id: str) -> None:
        async with agent.join(await agent.create_call(call_type, call_id)):
            await agent.finish()
        agent.checkpoint({"last": "words"})

    async with asyncio.timeout(20):
        async with Conversation(Stage().agent, keeps_at_the_end, llm=ScriptedLLM(), text_only=True) as talk:
            pass
        assert talk.checkpoint == {"last": "words"}


def test_what_no_agent_could_have_kept_is_refused() -> None:
    with pytest.raises(ValueError, match="a checkpoint of 20010 bytes"):
        conversation(checkpoint={"said": "a" * 19_999})


async def test_it_cannot_be_brought_as_a_parameter() -> None:
    with pytest.raises(InvalidParameters, match="no parameter may be called checkpoint"):
        async with conversation(parameters={"checkpoint": {}}):
            pass
