"""POST /calls/{call_id}/sessions without a key: what becomes of it, in every order of events."""

from __future__ import annotations

import pytest
from tests.fakes.apiserver.faults import reads, refusal
from tests.unit.api.rig import creates, deletes, rig, runtime, virtual

from greenroom_core.kube.kinds import RUNTIMES, SESSIONS
from greenroom_core.model import names


@virtual
async def test_answers_201_when_the_session_runs() -> None:
    async with rig() as api:
        posting = api.post("room-1", {"call_type": "phone", "parameters": {"a": [1]}, "labels": {"team": "x"}})
        session = await api.operator.session_of("room-1")
        assert session.metadata.finalizers == (names.LEAVE_CALL,)
        assert session.metadata.labels == {"team": "x"}
        assert session.spec.call_type == "phone"
        assert session.spec.parameters == {"a": [1]}
        assert session.spec.ttl_seconds_after_finished == 3600
        bound = await api.operator.bind(session)
        await api.clock.sleep(5)
        assert not posting.done(), "Scheduled is not Running"
        running = await api.operator.start(bound)
        answer = await posting
        assert answer.status_code == 201
        assert running.status.started_at is not None
        started_at = running.status.started_at.isoformat().replace("+00:00", "Z")
        assert answer.json() == {
            "session_id": session.metadata.name,
            "call_id": "room-1",
            "session_started_at": started_at,
        }
        shown = await api.http.get(f"/calls/room-1/sessions/{session.metadata.name}")
        assert shown.json() == answer.json()


@virtual
async def test_one_start_is_one_write_and_no_read() -> None:
    async with rig() as api:
        await api.until(lambda: api.transport.open_watches == 2)
        before = len(api.faults.seen)
        await api.started("room")
        assert [request.method for request in api.faults.seen[before:]] == ["POST"]


@virtual
async def test_names_are_uuids_and_differ() -> None:
    async with rig() as api:
        first, second = await api.started("a"), await api.started("b")
        assert first != second
        assert len(first) == 36


@pytest.mark.parametrize(
    ("reason", "status", "detail"),
    [
        ("AgentError", 500, "Failed to start agent"),
        ("StartTimeout", 500, "Failed to start agent"),
        ("PodLost", 500, "Failed to start agent"),
        ("Drained", 500, "Failed to start agent"),
        ("MaxSessionsPerCall", 429, "Reached maximum number of sessions for this call"),
        ("MaxConcurrentSessions", 429, "Reached maximum number of concurrent sessions"),
        ("StartDeadline", 503, "No free slot came in time; no agent was started"),
        ("NoCapacity", 429, "No slot is free, and nobody waits for one here; no agent was started"),
        ("InvalidSpec", 422, "nobody takes parameter 'x'"),
        ("CloseRequested", 409, "Session was closed before it started"),
    ],
)
@virtual
async def test_an_end_before_running_is_an_error(reason: str, status: int, detail: str) -> None:
    async with rig() as api:
        posting = api.post("room")
        session = await api.operator.session_of("room")
        await api.operator.end(await api.operator.bind(session), reason, "nobody takes parameter 'x'")
        answer = await posting
        assert (answer.status_code, answer.json()) == (status, {"detail": detail})
        assert ("retry-after" in answer.headers) == (status in (429, 503))


@pytest.mark.parametrize(
    "reason", ["MaxSessionsPerCall", "MaxConcurrentSessions", "StartDeadline", "NoCapacity", "InvalidSpec"]
)
@virtual
async def test_a_refused_session_leaves_no_record(reason: str) -> None:
    async with rig() as api:
        posting = api.post("room")
        await api.operator.end(await api.operator.session_of("room"), reason)
        await posting
        await api.until(lambda: not api.objects())


@virtual
async def test_a_failed_session_stays_to_be_looked_at() -> None:
    async with rig() as api:
        posting = api.post("room")
        session = await api.operator.bind(await api.operator.session_of("room"))
        await api.operator.end(session, "AgentError", "ValueError: no such voice")
        await posting
        await api.clock.sleep(60)
        listed = (await api.http.get("/calls/room/sessions")).json()["sessions"]
        assert [(item["phase"], item["reason"], item["message"]) for item in listed] == [
            ("Failed", "AgentError", "ValueError: no such voice")
        ]


@virtual
async def test_a_session_that_ran_and_ended_at_once_has_started() -> None:
    async with rig() as api:
        posting = api.post("room")
        api.faults.lag_seconds = 1.0
        session = await api.operator.run_at_once(await api.operator.session_of("room"))
        await api.operator.end(session, "Finished")
        answer = await posting
        assert answer.status_code == 201


@virtual
async def test_no_slot_in_time_is_503_and_leaves_nothing() -> None:
    async with rig() as api:
        begun = api.clock.boot()
        answer = await api.post("room", {"limits": {"start_deadline_seconds": 3}})
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert api.clock.boot() - begun == pytest.approx(3.0, abs=0.05)
        await api.until(lambda: not api.objects())


@virtual
async def test_the_deadline_comes_from_the_runtime_or_is_60_seconds() -> None:
    for spec, seconds in (({"sessionDefaults": {"limits": {"startDeadlineSeconds": 7}}}, 7.0), ({}, 60.0)):
        async with rig(**spec) as api:
            begun = api.clock.boot()
            assert (await api.post("room")).status_code == 503
            assert api.clock.boot() - begun == pytest.approx(seconds, abs=0.05)


@virtual
async def test_a_runtime_may_say_how_long_ended_sessions_stay() -> None:
    async with rig(sessionDefaults={"ttlSecondsAfterFinished": 5}) as api:
        await api.started("a")
        await api.started("b", {"ttl_seconds_after_finished": 9})
        kept = {item["spec"]["callId"]: item["spec"].get("ttlSecondsAfterFinished") for item in api.objects()}
        assert kept == {"a": None, "b": 9}


@virtual
async def test_bound_at_the_last_moment_is_waited_for() -> None:
    async with rig() as api:
        posting = api.post("room", {"limits": {"start_deadline_seconds": 3}})
        session = await api.operator.session_of("room")
        await api.clock.sleep(2.9)
        bound = await api.operator.bind(session)
        await api.clock.sleep(20)
        assert not posting.done()
        await api.operator.start(bound)
        assert (await posting).status_code == 201
        assert api.sent("DELETE") == 0


@virtual
async def test_a_bind_that_overtakes_the_withdrawal_wins() -> None:
    async with rig() as api:
        api.faults.lag_seconds = 0.5  # the API's feed does not know of the bind when its time is up
        posting = api.post("room", {"limits": {"start_deadline_seconds": 3}})
        session = await api.operator.session_of("room")
        await api.clock.sleep(2.8)
        bound = await api.operator.bind(session)
        await api.clock.sleep(5)
        assert api.sent("DELETE") == 1
        assert not posting.done()
        assert not (await api.operator.session_of("room")).deleting
        await api.operator.start(bound)
        assert (await posting).status_code == 201


@virtual
async def test_a_withdrawal_that_meets_another_write_is_repeated() -> None:
    async with rig() as api:
        api.faults.lag_seconds = 0.5
        posting = api.post("room", {"limits": {"start_deadline_seconds": 3}})
        session = await api.operator.session_of("room")
        await api.clock.sleep(2.8)
        await api.operator.wait_notice(session)
        assert (await posting).status_code == 503
        assert api.sent("DELETE") == 2
        await api.until(lambda: not api.objects())


@virtual
async def test_given_back_after_the_deadline_is_withdrawn() -> None:
    async with rig() as api:
        posting = api.post("room", {"limits": {"start_deadline_seconds": 3}})
        bound = await api.operator.bind(await api.operator.session_of("room"))
        await api.clock.sleep(10)
        await api.operator.give_back(bound)
        assert (await posting).status_code == 503
        await api.until(lambda: not api.objects())


@virtual
async def test_given_back_before_the_deadline_waits_on() -> None:
    async with rig() as api:
        posting = api.post("room")
        session = await api.operator.give_back(await api.operator.bind(await api.operator.session_of("room")))
        await api.clock.sleep(10)
        await api.operator.run_at_once(session)
        assert (await posting).status_code == 201


@virtual
async def test_a_pod_that_keeps_silent_for_ever_is_a_failure_in_the_end() -> None:
    async with rig() as api:
        posting = api.post("room", {"limits": {"start_deadline_seconds": 3}})
        await api.operator.bind(await api.operator.session_of("room"))
        answer = await posting
        assert (answer.status_code, answer.json()) == (500, {"detail": "Failed to start agent"})
        assert (await api.operator.session_of("room")).deleting, "its agent may still come: it has to leave"


@virtual
async def test_a_lost_answer_to_the_withdrawal_is_no_doubt() -> None:
    async with rig() as api:
        api.faults.add(deletes, drop_reply=True)
        answer = await api.post("room", {"limits": {"start_deadline_seconds": 3}})
        assert answer.status_code == 503
        await api.until(lambda: not api.objects())


@virtual
async def test_a_lost_answer_to_the_create_is_repeated_under_the_same_name() -> None:
    async with rig() as api:
        api.faults.add(creates, drop_reply=True)
        await api.started("room")
        assert api.sent("POST") == 2
        assert len(api.objects()) == 1


@virtual
async def test_a_create_that_never_arrived_is_sent_again() -> None:
    async with rig() as api:
        api.faults.add(creates, drop_request=True)
        api.faults.add(creates, never_sent=True)
        api.faults.add(creates, answer=refusal(500, "InternalError"))
        await api.started("room")
        assert len(api.objects()) == 1


@virtual
async def test_no_answer_at_all_is_503_and_what_was_created_goes() -> None:
    async with rig() as api:
        api.faults.add(creates, times=10_000, drop_reply=True)
        api.faults.add(reads, times=3, drop_request=True)
        posting = api.post("room", {"limits": {"start_deadline_seconds": 2}})
        answer = await posting
        assert answer.status_code == 503
        await api.until(lambda: not api.objects(), seconds=120)


@virtual
async def test_an_unknown_runtime_is_asked_for_once_and_is_422() -> None:
    async with rig() as api:
        before = len(api.faults.seen)
        answer = await api.post("room", {"runtime": "gpu"})
        assert (answer.status_code, answer.json()) == (422, {"detail": "runtime 'gpu' does not exist"})
        assert [request.method for request in api.faults.seen[before:]] == ["GET"]
        assert not api.objects()


@virtual
async def test_a_runtime_that_the_feed_does_not_have_yet_is_found() -> None:
    async with rig() as api:
        api.faults.lag_seconds = 30.0
        api.transport.cut_watches()
        await api.operator.client.create(RUNTIMES, "default", runtime("gpu"))
        posting = api.post("room", {"runtime": "gpu"})
        await api.operator.run_at_once(await api.operator.session_of("room"))
        assert (await posting).status_code == 201


@virtual
async def test_what_the_server_refuses_is_422_in_its_words() -> None:
    async with rig() as api:
        api.faults.add(creates, answer=refusal(422, "Invalid", "metadata.labels: Invalid value"))
        answer = await api.post("room")
        assert (answer.status_code, answer.json()) == (422, {"detail": "metadata.labels: Invalid value"})


@virtual
async def test_a_denied_create_is_503_and_not_the_clients_fault() -> None:
    async with rig() as api:
        api.faults.add(creates, times=10_000, answer=refusal(403, "Forbidden", "exceeded quota"))
        begun = api.clock.boot()
        answer = await api.post("room")
        assert api.clock.boot() - begun < 5
        assert (answer.status_code, answer.json()) == (503, {"detail": "The sessions cannot be reached now; try again"})


@virtual
async def test_a_server_that_has_just_started_denies_for_a_moment_and_is_asked_again() -> None:
    async with rig() as api:
        for _ in range(3):
            api.faults.add(creates, drop_reply=True)
            api.faults.add(creates, answer=refusal(403, "Forbidden"))
        api.faults.add(reads, answer=refusal(403, "Forbidden"))
        await api.started("room")
        assert len(api.objects()) == 1


@virtual
async def test_deleted_by_somebody_while_it_waits_is_409() -> None:
    async with rig() as api:
        posting = api.post("room")
        session = await api.operator.session_of("room")
        await api.operator.client.delete(SESSIONS, "default", session.metadata.name)
        assert (await posting).status_code == 409


@virtual
async def test_a_feed_that_lost_sight_of_it_is_not_believed() -> None:
    async with rig() as api:
        posting = api.post("room")
        session = await api.operator.session_of("room")
        store = api.backend._view.sessions
        known = store.store.get(session.metadata.uid)
        assert known is not None
        store.forget(known)
        await api.operator.run_at_once(session)
        assert (await posting).status_code == 201


@virtual
async def test_a_cut_watch_delays_and_loses_nothing() -> None:
    async with rig() as api:
        posting = api.post("room")
        session = await api.operator.session_of("room")
        api.transport.cut_watches()
        await api.operator.run_at_once(session)
        assert (await posting).status_code == 201
