"""GET of what an agent answers to an offer, over one process's launcher."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from tests.unit.runtime.agents import AgentFile, AnsweringAgent
from tests.unit.runtime.stories import story
from tests.unit.serve.rig import files, serving
from tests.unit.serve.test_nodes import Shared, registry

SDP = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\n"


def answering() -> AgentFile:
    file = files()
    file.make = AnsweringAgent
    return file


def path(session_id: str, wait: str = "30", call_id: str = "room") -> str:
    return f"/calls/{call_id}/sessions/{session_id}/answer?wait_seconds={wait}"


@story
async def test_it_is_told_in_the_moment_it_comes():
    async with serving(answering()) as server:
        session_id = await server.started(parameters={"offer": "v=0"})
        waiting = asyncio.create_task(server.http.get(path(session_id)))
        await server.file.clock.sleep(3)
        at = server.file.clock.boot()
        server.file.agents[-1].answer(SDP)
        told = await waiting
        assert (told.status_code, told.json()) == (200, {"session_id": session_id, "call_id": "room", "answer": SDP})
        assert server.file.clock.boot() == at
        assert (await server.http.get(path(session_id, "0"))).json()["answer"] == SDP
        assert (await server.http.get(path(session_id, "0", "other"))).status_code == 404


@story
async def test_one_that_does_not_come_in_time_is_204_and_one_whose_session_ends_404():
    async with serving(answering()) as server:
        session_id = await server.started()
        begun = server.file.clock.boot()
        told = await server.http.get(f"/calls/room/sessions/{session_id}/answer")
        assert (told.status_code, told.content) == (204, b"")
        assert server.file.clock.boot() - begun == pytest.approx(10)
        waiting = asyncio.create_task(server.http.get(path(session_id)))
        await server.file.clock.sleep(1)
        at = server.file.clock.boot()
        await server.http.delete(f"/calls/room/sessions/{session_id}")
        assert (await waiting).status_code == 404
        assert server.file.clock.boot() == at


@story
async def test_agents_without_an_answer_are_204():
    async with serving() as server:
        session_id = await server.started()
        assert (await server.http.get(path(session_id, "5"))).status_code == 204


@story
async def test_any_node_answers_for_any_session():
    file, store = answering(), Shared()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(serving(file, registry=registry(store, file, "one")))
        two = await stack.enter_async_context(serving(file, registry=registry(store, file, "two")))
        session_id = await one.started()
        waiting = asyncio.create_task(two.http.get(path(session_id)))
        await file.clock.sleep(3)
        file.agents[-1].answer(SDP)
        assert (await waiting).json()["answer"] == SDP
        await one.http.delete(f"/calls/room/sessions/{session_id}")
        await file.clock.sleep(1)
        assert (await two.http.get(path(session_id))).status_code == 404


@story
async def test_a_store_that_fails_is_503():
    class Failing(Shared):
        async def get(self, key):
            raise ConnectionError("redis://:secret@host is gone")

    file = answering()
    async with serving(file, registry=registry(Failing(), file, "one")) as server:
        told = await server.http.get(path("nobody"))
        assert (told.status_code, told.headers["retry-after"]) == (503, "1")
        assert "secret" not in told.text
