"""What holds of a registry on every store. A class of tests for each store gives a fixture `store`; `other` is the same
data for a second node, which may be the same object."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.unit.registry.sessions import ended, ids, info
from tests.unit.registry.waiting import until, until_not

from greenroom.errors import MaxConcurrentSessionsExceeded, MaxSessionsPerCallExceeded
from greenroom.observability import AgentMetrics
from greenroom.registry import SessionKVStore, SessionRegistry
from greenroom.registry.keys import ended_key
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import ANSWER_MAX_LENGTH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SHORT_TTL = 1.0
WILD_CALLS = [
    "*",
    "a/b",
    "a",
    "a b",
    "{a}",
    "a}{",
    "[a-z]",
    "?",
    "",
    "ü😀",
    "%2F",
    "a%2Fb",
    "\n",
    "x" * 3000,
    "x" * 3001,
]


class RegistryContract:
    notifies = True

    @pytest_asyncio.fixture
    async def nodes(self, store: SessionKVStore, other: SessionKVStore) -> AsyncIterator[tuple[SessionRegistry, ...]]:
        """Two nodes on one store."""
        async with SessionRegistry(store, node_id="a") as a, SessionRegistry(other, node_id="b") as b:
            yield a, b

    # --- records ---

    async def test_an_admitted_session_is_known_to_all_nodes(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        session = replace(info("s1"), phase=Phase.SCHEDULED, call_type="video")
        await a.admit(session)
        for node in nodes:
            assert await node.get("call", "s1") == session
            assert await node.get_for_call("call") == await node.list() == await node.list("call") == [session]
        assert await b.get("call", "s2") is await b.get("other", "s1") is None
        assert await b.get_for_call("other") == await b.list("other") == []

    async def test_register_counts_from_now(self, nodes: tuple[SessionRegistry, ...]):
        before = time.time()
        await nodes[0].register("call", "s1")
        found = await nodes[1].get("call", "s1")
        assert found is not None
        assert before <= found.started_at == found.metrics_updated_at <= time.time()
        assert (found.node_id, found.phase) == ("a", Phase.RUNNING)

    async def test_an_update_is_seen_at_once(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        session = replace(info("s1"), phase=Phase.SCHEDULED)
        await a.admit(session)
        await a.update(replace(session, phase=Phase.RUNNING, started_at=session.started_at + 5))
        found = await b.get("call", "s1")
        assert found is not None
        assert (found.phase, found.started_at) == (Phase.RUNNING, session.started_at + 5)

    async def test_an_edge_s_answer_is_seen_and_stays_until_the_end(
        self, store: SessionKVStore, nodes: tuple[SessionRegistry, ...]
    ):
        a, b = nodes
        await a.admit(info("s1"))
        longest = "ü\r\n".ljust(ANSWER_MAX_LENGTH, "x")
        await a.update(replace(info("s1"), answer=longest))
        await a.refresh({"s1": AgentMetrics()})
        found = await b.get("call", "s1")
        assert found is not None
        assert found.answer == longest
        [note] = await store.mget([ended_key("call", "s1")])
        assert note is not None
        assert len(note) < 2_000, "the will is for a session that nobody can reach any more"

    async def test_figures_keep_their_weight(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        await a.admit(info("s1"))
        figures = AgentMetrics()
        for sample in (100.0,) * 4:
            figures.llm_latency_ms__avg.update(sample)
        await a.update_metrics("call", "s1", figures)
        found = await b.get("call", "s1")
        assert found is not None
        found.metrics.llm_latency_ms__avg.update(200.0)
        assert found.metrics.llm_latency_ms__avg.value() == 120.0
        assert found.metrics_updated_at > found.started_at

    async def test_figures_come_as_numbers_too_and_from_another_node(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        await a.admit(info("s1"))
        await a.update_metrics("call", "s1", {"llm_input_tokens__total": 7, "llm_latency_ms__avg": None})
        await b.update_metrics("call", "s1", {"llm_input_tokens__total": 8})
        await b.update_metrics("call", "nobody", {"llm_input_tokens__total": 9})
        seen = [await node.get("call", "s1") for node in nodes]
        assert [one and one.metrics.llm_input_tokens__total.value() for one in seen] == [7, 8]
        assert await b.get("call", "nobody") is None

    async def test_what_the_owner_holds_is_a_copy(self, nodes: tuple[SessionRegistry, ...]):
        figures = AgentMetrics()
        await nodes[0].admit(info("s1"))
        await nodes[0].refresh({"s1": figures})
        figures.llm_input_tokens__total.inc(5)
        found = await nodes[0].get("call", "s1")
        assert found is not None
        assert found.metrics.llm_input_tokens__total.value() == 0

    async def test_a_refresh_carries_all_figures(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        await asyncio.gather(*(a.admit(info(f"s{number}")) for number in range(250)))
        figures = {f"s{number}": AgentMetrics() for number in range(250)}
        for number, one in enumerate(figures.values()):
            one.llm_input_tokens__total.inc(number)
        await a.refresh({**figures, "nobody": AgentMetrics()})
        found = await b.list("call")
        assert {one.session_id: one.metrics.llm_input_tokens__total.value() for one in found} == {
            f"s{number}": number for number in range(250)
        }

    # --- the end ---

    async def test_a_finished_session_is_gone_but_listed(self, nodes: tuple[SessionRegistry, ...]):
        session = info("s1")
        await nodes[0].admit(session)
        await nodes[0].finish(ended(session))
        for node in nodes:
            assert await node.get("call", "s1") is None
            assert await node.get_for_call("call") == []
            assert [(one.phase, one.reason) for one in await node.list("call")] == [(Phase.CLOSED, EndReason.FINISHED)]

    async def test_what_is_over_stays_over(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        session = info("s1")
        await a.admit(session)
        await a.finish(ended(session))
        await a.update(session)
        await a.update_metrics("call", "s1", AgentMetrics())
        await a.refresh({"s1": AgentMetrics()})
        assert await a.get("call", "s1") is await b.get("call", "s1") is None
        assert [one.phase for one in await b.list()] == [Phase.CLOSED]

    async def test_a_removed_session_was_never_there(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        await a.register("call", "s1")
        await a.remove("call", "s1")
        await a.remove("call", "never")
        assert await b.get("call", "s1") is None
        assert await b.list() == []

    async def test_ended_sessions_are_listed_for_a_while(self, store: SessionKVStore):
        async with SessionRegistry(store, ttl=0.2, kept_seconds=0.2) as a:
            session = info("s1")
            await a.admit(session)
            await a.finish(ended(session))
            assert ids(await a.list()) == {"s1"}
            await until_not(a.list)

    async def test_or_not_at_all(self, store: SessionKVStore):
        async with SessionRegistry(store, kept_seconds=0) as a:
            session = info("s1")
            await a.admit(session)
            assert await store.keys("ended/") == []
            await a.finish(ended(session))
            assert await a.list() == []
            assert await store.keys("") == []

    async def test_a_node_keeps_its_last_ends_only(self, store: SessionKVStore, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("greenroom.registry.registry._KEPT_AT_MOST", 3)
        async with SessionRegistry(store) as a:
            for number in range(5):
                session = info(f"s{number}")
                await a.admit(session)
                await a.finish(ended(session))
            assert ids(await a.list()) == {"s2", "s3", "s4"}

    async def test_hundreds_that_end_at_once_leave_nothing(self, store: SessionKVStore, other: SessionKVStore):
        async with SessionRegistry(store, kept_seconds=0) as a, SessionRegistry(other, kept_seconds=0) as b:
            sessions = [info(f"s{number}", f"call{number % 7}") for number in range(300)]
            await asyncio.gather(*(a.admit(one, max_concurrent_sessions=300) for one in sessions))
            await asyncio.gather(*(b.request_close(one.call_id, one.session_id) for one in sessions))
            assert len(await store.keys("close_requests/")) == 300
            await asyncio.gather(*(a.finish(ended(one)) for one in sessions))
            assert await store.keys("") == []
            await asyncio.gather(*(b.admit(info(f"t{number}"), max_concurrent_sessions=300) for number in range(300)))

    async def test_a_stop_leaves_nothing_of_ones_own(self, store: SessionKVStore, other: SessionKVStore):
        async with SessionRegistry(store, node_id="a") as a:
            await a.register("call", "mine")
            async with SessionRegistry(other, node_id="b") as b:
                await asyncio.gather(*(b.register("call", f"s{number}") for number in range(250)))
            assert ids(await a.list()) == {"mine"}

    async def test_a_session_may_take_another_id(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        await a.admit(info("first"), max_concurrent_sessions=1, max_sessions_per_call=1)
        assert await b.request_close("call", "first")
        await until(lambda: a.get_close_requests({"first": "call"}))
        await a.rename(info("second"), "first")
        assert await b.get("call", "first") is await a.get("call", "first") is None
        assert ids(await b.list()) == {"second"}
        with pytest.raises(MaxConcurrentSessionsExceeded):
            await b.admit(info("third"), max_concurrent_sessions=1)
        assert await a.get_close_requests({"second": "call"}) == ["second"]
        await a.finish(ended(info("second")))
        await b.admit(info("third"), max_concurrent_sessions=1)

    # --- limits ---

    async def test_limits_count_the_sessions_of_all_nodes(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        limits = {"max_concurrent_sessions": 3, "max_sessions_per_call": 2}
        await a.admit(info("s1"), **limits)
        await b.admit(info("s2"), **limits)
        with pytest.raises(MaxSessionsPerCallExceeded, match="Reached maximum sessions per call of 2") as per_call:
            await a.admit(info("s3"), **limits)
        assert per_call.value.limit == 2
        await a.admit(info("s3", "other"), **limits)
        with pytest.raises(MaxConcurrentSessionsExceeded, match="Reached maximum concurrent sessions of 3"):
            await b.admit(info("s4", "third"), **limits)
        assert await b.get("third", "s4") is None
        await a.register("call", "s5")
        with pytest.raises(MaxConcurrentSessionsExceeded):
            await b.admit(info("s4", "third"), max_concurrent_sessions=4)

    async def test_both_limits_passed_names_the_wider_one(self, nodes: tuple[SessionRegistry, ...]):
        await nodes[0].admit(info("s1"))
        with pytest.raises(MaxConcurrentSessionsExceeded):
            await nodes[1].admit(info("s2"), max_concurrent_sessions=1, max_sessions_per_call=1)

    async def test_an_end_frees_its_place_at_once(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        limits = {"max_concurrent_sessions": 1, "max_sessions_per_call": 1}
        for turn in range(5):
            session = info(f"s{turn}")
            await (a, b)[turn % 2].admit(session, **limits)
            if turn % 2:
                await b.remove("call", session.session_id)
            else:
                await a.finish(ended(session))

    async def test_a_caller_who_goes_away_takes_no_place(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        for turn in range(6):
            starting = asyncio.create_task(a.admit(info(f"s{turn}"), max_concurrent_sessions=1))
            for _ in range(turn):
                await asyncio.sleep(0)
            starting.cancel()
            (outcome,) = await asyncio.gather(starting, return_exceptions=True)
            if outcome is None:
                await a.remove("call", f"s{turn}")
            assert await b.list() == []
        await b.admit(info("last"), max_concurrent_sessions=1)

    # --- odd ids ---

    @pytest.mark.parametrize("call_id", WILD_CALLS, ids=range(len(WILD_CALLS)))
    async def test_any_call_id_is_safe(self, nodes: tuple[SessionRegistry, ...], call_id: str):
        a, b = nodes
        neighbours = [wild for wild in WILD_CALLS if wild != call_id]
        await asyncio.gather(*(a.admit(info("s", wild)) for wild in neighbours))
        assert await b.get_for_call(call_id) == []
        await a.admit(info("s", call_id), max_sessions_per_call=1)
        assert [one.call_id for one in await b.get_for_call(call_id)] == [call_id]
        with pytest.raises(MaxSessionsPerCallExceeded):
            await b.admit(info("t", call_id), max_sessions_per_call=1)
        assert await b.request_close(call_id, "s")
        assert await a.get_close_requests({"s": call_id}) == ["s"]
        await a.remove(call_id, "s")
        assert len(await b.list()) == len(neighbours)

    async def test_ids_do_not_run_into_each_other(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        await a.admit(info("c", "a/b"))
        await a.admit(info("b/c", "a"))
        assert len(await b.list()) == 2
        assert await b.get("a/b", "b/c") is None
        assert ids(await b.get_for_call("a")) == {"b/c"}

    # --- close requests ---

    async def test_a_request_reaches_the_owner(self, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        woken: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        a.on_close_request(lambda call_id, session_id: woken.put_nowait((call_id, session_id)))
        await a.admit(info("s1"))
        await a.admit(info("s2"))
        assert await b.request_close("call", "s1") is True
        assert await a.get_close_requests({"s1": "call", "s2": "call"}) == ["s1"]
        if self.notifies:
            async with asyncio.timeout(60):
                assert await woken.get() == ("call", "s1")
        assert woken.empty()
        assert await a.request_close("call", "s2") is True
        assert woken.get_nowait() == ("call", "s2")
        assert await a.get_close_requests({"s1": "call", "s2": "call"}) == ["s1", "s2"]
        assert await a.get_close_requests({}) == []

    async def test_who_does_not_live_cannot_be_closed(self, store: SessionKVStore, nodes: tuple[SessionRegistry, ...]):
        session = info("s1")
        await nodes[0].admit(session)
        await nodes[0].finish(ended(session))
        for node in nodes:
            assert await node.request_close("call", "s1") is False
            assert await node.request_close("call", "nobody") is False
        assert await store.keys("close_requests/") == []

    async def test_a_request_lives_as_long_as_its_session(self, store: SessionKVStore, other: SessionKVStore):
        async with SessionRegistry(store, ttl=SHORT_TTL) as a, SessionRegistry(other, ttl=SHORT_TTL) as b:
            await a.admit(info("s1"))
            assert await b.request_close("call", "s1")
            deadline = time.monotonic() + 1.5 * SHORT_TTL
            while time.monotonic() < deadline:  # no condition to wait for: nothing may change
                await asyncio.sleep(0.02)
                assert await b.get("call", "s1") is not None
            assert await a.get_close_requests({"s1": "call"}) == ["s1"]
            await a.remove("call", "s1")
            assert await store.keys("close_requests/") == []

    # --- loss ---

    async def test_a_lost_record_is_written_again(self, store: SessionKVStore, nodes: tuple[SessionRegistry, ...]):
        a, b = nodes
        await asyncio.gather(*(a.admit(info(f"s{number}")) for number in range(150)))
        await store.delete(await store.keys(""))
        assert ids(await a.get_for_call("call")) == {f"s{number}" for number in range(150)}
        assert await b.list() == []
        await a.refresh({})
        assert ids(await b.get_for_call("call")) == {f"s{number}" for number in range(150)}
        with pytest.raises(MaxSessionsPerCallExceeded):
            await b.admit(info("more"), max_sessions_per_call=150)

    async def test_a_silent_node_is_known_lost(self, store: SessionKVStore, other: SessionKVStore):
        a = SessionRegistry(other, node_id="a", ttl=SHORT_TTL)  # never started, so it renews nothing
        async with SessionRegistry(store, node_id="b", ttl=SHORT_TTL) as b:
            await a.admit(info("s1"), max_concurrent_sessions=1)
            await b.register("other", "mine")
            assert ids(await b.list()) == {"s1", "mine"}
            await until_not(lambda: b.get("call", "s1"))
            assert await b.get_for_call("call") == []
            (lost,) = await b.list("call")
            assert (lost.phase, lost.reason) == (Phase.FAILED, EndReason.POD_LOST)
            assert lost.message == "node a was lost: it no longer renews its sessions"
            assert await b.request_close("call", "s1") is False
            await b.admit(info("s2"), max_concurrent_sessions=2)
            assert (await b.get("other", "mine")) is not None

    async def test_a_living_one_stays_without_any_refresh(self, store: SessionKVStore, other: SessionKVStore):
        async with SessionRegistry(store, ttl=SHORT_TTL) as a, SessionRegistry(other) as b:
            await a.admit(info("s1"), max_concurrent_sessions=1)
            deadline = time.monotonic() + 2 * SHORT_TTL
            while time.monotonic() < deadline:
                await asyncio.sleep(0.02)
                assert await b.get("call", "s1") is not None
                with pytest.raises(MaxConcurrentSessionsExceeded):
                    await b.admit(info("s2"), max_concurrent_sessions=1)

    async def test_an_end_during_a_refresh_stays_an_end(self, store: SessionKVStore, other: SessionKVStore):
        async with SessionRegistry(store) as a, SessionRegistry(other) as b:
            for turn in range(20):
                sessions = [info(f"{turn}-{number}") for number in range(10)]
                await asyncio.gather(*(a.admit(one) for one in sessions))
                figures = {one.session_id: AgentMetrics() for one in sessions[turn % 2 :: 2]}
                refreshing = asyncio.create_task(a.refresh(figures))
                for _ in range(turn):
                    await asyncio.sleep(0)
                await asyncio.gather(*(a.finish(ended(one)) for one in sessions))
                await refreshing
                assert await b.get_for_call("call") == []
                assert all(one.phase is Phase.CLOSED for one in await b.list())

    async def test_a_start_is_never_listed_as_lost(self, store: SessionKVStore, other: SessionKVStore):
        async with AsyncExitStack() as stack:
            a = await stack.enter_async_context(SessionRegistry(store, node_id="a"))
            b = await stack.enter_async_context(SessionRegistry(other, node_id="b"))
            done = asyncio.Event()

            async def watch() -> None:
                while not done.is_set():
                    assert not [one for one in await b.list() if one.phase is Phase.FAILED]
                    await asyncio.sleep(0)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(watch())
                for number in range(60):
                    session = info(f"s{number}")
                    await a.admit(session)
                    if number % 2:
                        await a.finish(ended(session))
                done.set()
