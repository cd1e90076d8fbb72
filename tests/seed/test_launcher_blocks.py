"""The document's blocks about AgentLauncher, with and without the HTTP server."""

from __future__ import annotations

import asyncio

import pytest
from tests.seed import block
from tests.seed.serving import served_by
from tests.seed.stub import Stub

from greenroom import AgentLauncher, MaxConcurrentSessionsExceeded, MaxSessionsPerCallExceeded, Runner


async def test_session_limits() -> None:
    stub = Stub()
    names = await block.run("session_limits", AgentLauncher=AgentLauncher, Runner=Runner, **stub.given)
    runner = names["runner"]
    async with served_by(runner) as client:
        for number in range(10):
            assert (await client.post(f"/calls/call-{number}/sessions", json={})).status_code == 201
        full = await client.post("/calls/call-10/sessions", json={})
        assert full.status_code == 429
        assert full.json() == {"detail": "Reached maximum number of concurrent sessions"}
        launcher: AgentLauncher = runner.launcher
        await launcher.close_session(launcher.sessions[3].id, wait=True)
        taken = await client.post("/calls/call-0/sessions", json={})
        assert taken.json() == {"detail": "Reached maximum number of sessions for this call"}
        assert taken.status_code == 429
        assert (await client.post("/calls/call-10/sessions", json={})).status_code == 201
    assert launcher.time_limits.max_duration_seconds == 3600
    assert launcher.time_limits.idle_timeout_seconds == 120.0
    assert all(agent.closed for agent in stub.agents)


async def test_without_http() -> None:
    stub = Stub()
    names = await block.run("without_http", **stub.given)
    session, info = names["session"], names["info"]
    assert (info.call_id, info.session_id) == ("my-call-123", session.id)
    assert stub.joined == [("default", "my-call-123")]
    assert session.finished
    assert not names["launcher"].running
    assert all(agent.closed for agent in stub.agents), "the one of the warm-up, too"


async def test_the_methods_of_the_table() -> None:
    """The document's table of AgentLauncher's methods, row by row, on two launchers of one registry's store."""
    from greenroom import InMemorySessionKVStore, SessionRegistry

    class Shared(InMemorySessionKVStore):
        async def close(self) -> None:
            """Two launchers use it: neither may clear it for the other."""

    store, here, there = Shared(), Stub(), Stub()
    one = AgentLauncher(
        **here.given, registry=SessionRegistry(store), max_sessions_per_call=1, maintenance_interval=0.1
    )
    two = AgentLauncher(
        **there.given, registry=SessionRegistry(store), max_concurrent_sessions=2, maintenance_interval=0.1
    )
    await one.start()
    await two.start()
    assert one.ready
    assert two.ready
    session = await one.start_session("call", "default")
    assert one.get_session(session.id) is session
    assert two.get_session(session.id) is None, "get_session is local"
    info = await two.get_session_info("call", session.id)
    assert info is not None, "get_session_info asks the registry"
    assert info.node_id == one.registry.node_id
    with pytest.raises(MaxSessionsPerCallExceeded):
        await one.start_session("call")
    other = await two.start_session("other")
    with pytest.raises(MaxConcurrentSessionsExceeded):
        await two.start_session("third")
    assert not await two.close_session(session.id), "close_session is local"
    await two.request_close_session("call", session.id)
    async with asyncio.timeout(60):
        await asyncio.wait([session.task])
        while one.get_session(session.id) is not None:
            await asyncio.sleep(0.01)
    assert await two.close_session(other.id)
    await one.stop()
    await two.stop()
    assert all(agent.closed for stub in (here, there) for agent in stub.agents)
