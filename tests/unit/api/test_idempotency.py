"""Idempotency-Key: the same key gives the same session, whatever happened to the first answer."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.api.rig import NAMESPACE, Rig, creates, rig, virtual

from greenroom_core.kube.kinds import RUNTIMES
from greenroom_core.model import names


@virtual
async def test_the_name_is_made_of_namespace_caller_path_and_key() -> None:
    async with rig() as api:
        name = await api.started("room", key="k1")
        assert name == names.idempotent_session_name(NAMESPACE, "", "/calls/room/sessions", "k1")


@virtual
async def test_a_repeat_gives_the_same_answer_without_a_write() -> None:
    async with rig() as api:
        name = await api.started("room", key="k")
        writes = api.sent("POST")
        again = await api.post("room", key="k")
        assert (again.status_code, again.json()["session_id"]) == (201, name)
        assert api.sent("POST") == writes


@virtual
async def test_the_key_is_the_calls_own() -> None:
    async with rig() as api:
        assert await api.started("room", key="k") != await api.started("hall", key="k")


@virtual
async def test_a_repeat_while_the_first_waits_gets_the_same_session() -> None:
    async with rig() as api:
        postings = [api.post("room", {"priority": 1}, key="k") for _ in range(8)]
        await api.operator.run_at_once(await api.operator.session_of("room"))
        answers = await asyncio.gather(*postings)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        assert len(api.objects()) == 1


@virtual
async def test_the_key_gives_its_session_when_the_runtime_is_gone() -> None:
    async with rig() as api:
        name = await api.started("room", key="k")
        await api.operator.client.delete(RUNTIMES, NAMESPACE, "default")
        await api.clock.sleep(1)  # the feed hears of it
        again = await api.post("room", key="k")
        assert (again.status_code, again.json()["session_id"]) == (201, name)
        assert (await api.post("room", key="other")).status_code == 422


@virtual
async def test_two_replicas_at_once_make_one_session() -> None:
    async with rig() as first:
        second = Rig(first.server)
        async with second.backend, second.http:
            first.faults.lag_seconds = second.faults.lag_seconds = 0.2
            postings = [api.post("room", key="k") for api in (first, second) for _ in range(2)]
            await first.operator.run_at_once(await first.operator.session_of("room"))
            answers = await asyncio.gather(*postings)
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.text for answer in answers}) == 1
            assert len(first.objects()) == 1


@virtual
async def test_a_lost_answer_to_the_create_does_not_make_a_second_one() -> None:
    async with rig() as api:
        api.faults.add(creates, drop_reply=True)
        await api.started("room", key="k")
        assert len(api.objects()) == 1


@pytest.mark.parametrize(
    "other", [{"priority": 2}, {"parameters": {"a": 2}}, {"labels": {"a": "b"}}, {"call_type": "x"}, {}]
)
@virtual
async def test_another_body_under_the_same_key_is_422(other: dict[str, object]) -> None:
    async with rig() as api:
        await api.started("room", {"priority": 1, "parameters": {"a": 1, "b": {"c": 1}}}, key="k")
        answer = await api.post("room", other, key="k")
        assert (answer.status_code, answer.json()) == (
            422,
            {"detail": "Idempotency-Key was used before with another request"},
        )


@virtual
async def test_the_order_of_the_bodys_keys_does_not_matter() -> None:
    async with rig() as api:
        await api.started("room", {"parameters": {"a": 1, "b": 2}, "priority": 1}, key="k")
        answer = await api.post("room", {"priority": 1, "parameters": {"b": 2, "a": 1}}, key="k")
        assert answer.status_code == 201


@virtual
async def test_what_is_left_out_is_the_same_as_its_default() -> None:
    async with rig() as api:
        await api.started("room", {"call_type": "default", "limits": {}}, key="k")
        assert (await api.post("room", key="k")).status_code == 201


@virtual
async def test_a_key_whose_session_has_ended_gives_that_session() -> None:
    async with rig() as api:
        name = await api.started("room", key="k")
        session = await api.operator.session_of("room")
        await api.operator.end(session, "Finished")
        answer = await api.post("room", key="k")
        assert (answer.status_code, answer.json()["session_id"]) == (201, name)


@virtual
async def test_a_key_whose_start_failed_gives_that_failure() -> None:
    async with rig() as api:
        posting = api.post("room", key="k")
        session = await api.operator.bind(await api.operator.session_of("room"))
        await api.operator.end(session, "AgentError", "boom")
        assert (await posting).status_code == 500
        assert (await api.post("room", key="k")).status_code == 500
        assert api.sent("POST") == 1


@pytest.mark.parametrize("reason", ["MaxSessionsPerCall", "StartDeadline", "NoCapacity"])
@virtual
async def test_a_refused_key_starts_anew_once_the_record_is_gone(reason: str) -> None:
    async with rig() as api:
        posting = api.post("room", key="k")
        first = await api.operator.session_of("room")
        api.operator.tidying = False
        await api.operator.end(first, reason)
        assert (await posting).status_code in (429, 503)
        await api.operator.seen(lambda session: session.deleting)
        again = api.post("room", key="k")
        await api.clock.sleep(1)
        assert not again.done(), "the name is not free yet"
        api.operator.tidying = True
        second = await api.operator.seen(lambda s: s.metadata.uid != first.metadata.uid and not s.deleting)
        await api.operator.run_at_once(second)
        answer = await again
        assert (answer.status_code, answer.json()["session_id"]) == (201, first.metadata.name)


@virtual
async def test_a_name_that_never_comes_free_is_503_at_the_deadline() -> None:
    async with rig() as api:
        api.operator.tidying = False
        assert (await api.post("room", {"limits": {"start_deadline_seconds": 1}}, key="k")).status_code == 503
        begun = api.clock.boot()
        assert (await api.post("room", {"limits": {"start_deadline_seconds": 1}}, key="k")).status_code == 503
        assert api.clock.boot() - begun == pytest.approx(1.0, abs=0.05)


@virtual
async def test_twins_of_a_withdrawn_session_are_all_told_503() -> None:
    async with rig() as first:
        second = Rig(first.server)
        async with second.backend, second.http:
            one = first.post("room", {"limits": {"start_deadline_seconds": 3}}, key="k")
            await first.operator.session_of("room")
            await first.clock.sleep(1)
            two = second.post("room", {"limits": {"start_deadline_seconds": 3}}, key="k")
            assert [(await posting).status_code for posting in (one, two)] == [503, 503]
            await first.until(lambda: not first.objects())


@pytest.mark.parametrize("key", ["", "x" * 256])
@virtual
async def test_a_key_of_no_use_is_422(key: str) -> None:
    async with rig() as api:
        assert (await api.post("room", key=key)).status_code == 422
