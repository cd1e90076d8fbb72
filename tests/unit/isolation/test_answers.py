"""What the edge answers, and the agent keeps, on its way out of a session process."""

from __future__ import annotations

import asyncio
import pickle
import socket
from datetime import UTC, datetime

import msgspec
import pytest
from tests.agents.answering import create_agent, join_call
from tests.fakes.virtual_time import VirtualClock

from greenroom.isolation import wire
from greenroom.isolation.agent import ReportedAgent
from greenroom.isolation.session_process import SessionProcess
from greenroom.notices import Assignment
from greenroom.recipe import Recipe
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import ANSWER_MAX_LENGTH, CHECKPOINT_MAX_BYTES


async def test_it_is_told_after_the_build_and_before_the_join() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    far_reader, far_writer = await asyncio.open_unix_connection(sock=theirs)
    order = wire.Assign(pickle.dumps(Assignment("s1", "one", parameters={"offer": "v=0"})), None, 60.0)
    async with asyncio.timeout(60):
        living = asyncio.create_task(SessionProcess(order, Recipe(create_agent, join_call), reader, writer).run())
        said = []
        while not said or not isinstance(said[-1], wire.AgentJoined):
            message = await wire.read(far_reader, wire.FROM_SESSION)
            assert message is not None
            if not isinstance(message, wire.Alive):
                said.append(message)
        far_writer.write(wire.framed(wire.Leave(EndReason.CLOSE_REQUESTED, "", None)))
        await living
    for end in (writer, far_writer):
        end.close()
    assert [type(message).__name__ for message in said] == ["AgentBuilt", "AgentAnswered", "AgentJoined"]
    assert isinstance(said[1], wire.AgentAnswered)
    assert said[1].answer == "the answer to v=0"


def test_the_launcher_takes_no_longer_one_from_any_process() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    fits = wire.AgentAnswered(at, "ü" * ANSWER_MAX_LENGTH)
    assert wire.FROM_SESSION.decode(msgspec.msgpack.encode(fits)) == fits
    with pytest.raises(msgspec.ValidationError, match="length"):
        wire.FROM_SESSION.decode(msgspec.msgpack.encode(wire.AgentAnswered(at, "ü" * (ANSWER_MAX_LENGTH + 1))))


def test_a_reported_agent_tells_all_who_ask_before_and_after() -> None:
    async def closing() -> None:
        """Nothing is closed here."""

    agent = ReportedAgent("s1", VirtualClock(), closing)
    early: list[str] = []
    late: list[str] = []
    agent.on_answer(early.append)
    assert early == []
    agent.take_answer("v=0")
    agent.on_answer(late.append)
    assert early == late == ["v=0"]


def test_the_launcher_takes_no_larger_checkpoint_from_any_process() -> None:
    fits = wire.AgentCheckpoint("x" * CHECKPOINT_MAX_BYTES)
    assert wire.FROM_SESSION.decode(msgspec.msgpack.encode(fits)) == fits
    with pytest.raises(msgspec.ValidationError, match="length"):
        wire.FROM_SESSION.decode(msgspec.msgpack.encode(wire.AgentCheckpoint("x" * (CHECKPOINT_MAX_BYTES + 1))))
