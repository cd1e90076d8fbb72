"""429 without a write where it is certain; in doubt the operator is asked, by creating the session."""

from __future__ import annotations

import pytest
from tests.unit.api.rig import rig, virtual

PER_CALL = {"limits": {"maxSessionsPerCall": 1}}
CONCURRENT = {"limits": {"maxConcurrentSessions": 2}}


@virtual
async def test_a_second_session_on_a_call_is_refused_without_a_write() -> None:
    async with rig(**PER_CALL) as api:
        await api.started("room")
        writes = api.sent("POST")
        answer = await api.post("room")
        assert (answer.status_code, answer.json()) == (
            429,
            {"detail": "Reached maximum number of sessions for this call"},
        )
        assert answer.headers["retry-after"]
        assert api.sent("POST") == writes
        await api.started("hall")


@virtual
async def test_the_runtimes_limit_over_all_calls() -> None:
    async with rig(**CONCURRENT) as api:
        await api.started("a")
        await api.started("b")
        answer = await api.post("c")
        assert (answer.status_code, answer.json()) == (
            429,
            {"detail": "Reached maximum number of concurrent sessions"},
        )


@virtual
async def test_an_ended_session_makes_room() -> None:
    async with rig(**PER_CALL) as api:
        await api.started("room")
        await api.operator.end(await api.operator.session_of("room"), "Finished")
        posting = api.post("room")
        second = await api.operator.seen(lambda session: session.status.started_at is None)
        await api.operator.run_at_once(second)
        assert (await posting).status_code == 201


@virtual
async def test_a_closing_session_still_counts() -> None:
    async with rig(**PER_CALL) as api:
        name = await api.started("room")
        assert (await api.http.delete(f"/calls/room/sessions/{name}")).status_code == 202
        assert (await api.post("room")).status_code == 429


@virtual
async def test_one_that_the_operator_has_not_decided_on_does_not_count_here() -> None:
    async with rig(**PER_CALL) as api:
        first = api.post("room")
        session = await api.operator.session_of("room")
        second = api.post("room")
        await api.until(lambda: len(api.objects()) == 2)
        other = await api.operator.seen(lambda s: s.metadata.uid != session.metadata.uid)
        await api.operator.end(other, "MaxSessionsPerCall")
        await api.operator.run_at_once(session)
        assert ((await first).status_code, (await second).status_code) == (201, 429)


@pytest.mark.parametrize(("reason", "counts"), [("NoFreeSlot", True), ("Returned", True), ("RuntimeNotFound", False)])
@virtual
async def test_a_waiting_session_counts_once_the_operator_let_it_in(reason: str, counts: bool) -> None:
    async with rig(**PER_CALL) as api:
        first = api.post("room")
        await api.operator.wait_notice(await api.operator.session_of("room"), reason)
        second = api.post("room")
        await api.clock.sleep(0.1)
        assert second.done() == counts
        assert len(api.objects()) == (1 if counts else 2)
        assert {(await first).status_code, (await second).status_code} == ({503, 429} if counts else {503})


@virtual
async def test_one_that_is_being_withdrawn_does_not_count() -> None:
    async with rig(**PER_CALL) as api:
        api.operator.tidying = False
        first = api.post("room", {"limits": {"start_deadline_seconds": 2}})
        await api.operator.wait_notice(await api.operator.session_of("room"))
        assert (await first).status_code == 503
        second = api.post("room")
        await api.until(lambda: len(api.objects()) == 2)
        session = await api.operator.seen(lambda s: not s.deleting)
        await api.operator.run_at_once(session)
        assert (await second).status_code == 201


@virtual
async def test_a_silent_feed_refuses_nobody() -> None:
    async with rig(**PER_CALL) as api:
        await api.started("room")
        api.faults.lag_seconds = 1_000.0
        api.transport.cut_watches()
        await api.clock.sleep(6)
        posting = api.post("room", {"limits": {"start_deadline_seconds": 1}})
        await api.until(lambda: len(api.objects()) == 2)
        assert (await posting).status_code == 503


@virtual
async def test_limits_are_the_runtimes_own() -> None:
    async with rig(**PER_CALL) as api:
        await api.started("room")
        assert api.backend._view.tally._by_call == {("default", "room"): 1}
        await api.operator.end(await api.operator.session_of("room"), "Finished")
        await api.until(lambda: not api.backend._view.tally._by_call)
