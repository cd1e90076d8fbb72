"""A session's life as callers and people with kubectl see it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from tests.e2e import calls, fleet
from tests.e2e.ear import understood
from tests.e2e.scene import RECORDINGS
from tests.stack.kubectl import session

from greenroom_core.model import names

if TYPE_CHECKING:
    from tests.e2e.scene import Scene

_QUESTION = {"question": "What is the weather in Boston?"}
_WORDS = {"weather", "boston"}


async def post(scene: Scene) -> None:
    """201 with the session's name; GET, listing and kubectl know it at once, and DELETE ends it."""
    call = await calls.start(scene, "posted")
    door = await scene.door()
    seen = await door.look(call.call_id, call.session)
    assert (seen.status, seen.body["session_id"]) == (200, call.session), str(seen)
    listed = (await door.ask("GET", f"/calls/{call.call_id}/sessions")).body["sessions"]
    assert [item["session_id"] for item in listed] == [call.session], str(listed)
    await calls.close(scene, call)
    assert (await door.look(call.call_id, call.session)).status == 404
    listed = (await door.ask("GET", f"/calls/{call.call_id}/sessions")).body["sessions"]
    assert [(item["phase"], item["reason"]) for item in listed] == [("Closed", "CloseRequested")], str(listed)


async def talk(scene: Scene) -> None:
    """The agent hears a question aloud, answers aloud, and tells its figures; the recording is listened to."""
    call = await calls.start(scene, "talk", parameters=_QUESTION)

    async def answered() -> bool:
        log = await scene.kubectl.ok("logs", call.pod)
        lines = [line.lower() for line in log.splitlines() if call.session in line]
        heard = [line for line in lines if "transcript user:" in line and all(word in line for word in _WORDS)]
        assert heard, f"{call.pod} logs: {lines}"
        assert any("transcript agent:" in line and "sunny" in line for line in lines), f"{call.pod} logs: {lines}"
        return True

    await scene.until(answered, "the agent has heard the question and answered it")
    door = await scene.door()

    async def measured() -> bool:
        answer = await door.metrics(call.call_id, call.session)
        assert answer.status == 200, f"{answer.status} {answer.body}"
        figures = answer.body["metrics"]
        assert figures["llm_tool_calls__total"] == 1, str(figures)
        assert figures["tts_audio_duration_ms__total"] > 1000, str(figures)
        assert figures["stt_latency_ms__avg"] > 0, str(figures)
        return True

    await scene.until(measured, "the session's metrics tell of the answer")
    await calls.close(scene, call)
    recording = scene.directory / "answer.wav"
    fetched = await scene.kubectl.run("exec", call.pod, "--", "cat", f"{RECORDINGS}/{call.session}.wav")
    assert fetched.status == 0, fetched.err
    recording.write_bytes(fetched.raw)
    words = set((await understood(recording)).split())
    assert words >= _WORDS, f"the recorded answer was understood as: {words}"


async def close_token(scene: Scene) -> None:
    """Whoever has the token of the 201 ends this session, without any header, and no other one."""
    first, other = await calls.start_several(scene, "beacon", 2)
    nobody = await scene.door("")
    wrong = await nobody.ask("POST", f"/calls/{other.call_id}/sessions/{other.session}/close?token={first.close_token}")
    assert wrong.status in (401, 403), f"a token of another session: {wrong.status} {wrong.body}"
    right = await nobody.ask("POST", f"/calls/{first.call_id}/sessions/{first.session}/close?token={first.close_token}")
    assert right.status == 202, f"{right.status} {right.body}"
    seen = await calls.until_phase(scene, first.session, "Closed", "Failed")
    assert seen["reason"] == "CloseRequested", str(seen)
    await calls.assert_untouched(scene, [other])
    await calls.close(scene, other)


async def applied(scene: Scene) -> None:
    """A manifest becomes a running session, in columns that read well; `kubectl delete` has the agent leave first."""
    await scene.kubectl.apply(session("applied", "by-hand", parameters=_QUESTION))
    seen = await calls.until_phase(scene, "applied", "Running", "Closed", "Failed")
    assert seen["phase"] == "Running", str(seen)
    header, row = (await scene.kubectl.ok("get", "ags", "applied")).splitlines()
    assert header.split() == ["NAME", "CALL", "PHASE", "REASON", "POD", "STARTED", "AGE"], header
    assert row.split()[:4] == ["applied", "by-hand", "Running", seen["podName"]], row
    header, row, *_ = (await scene.kubectl.ok("get", "agrt", "default")).splitlines()
    assert header.split()[:6] == ["NAME", "PODS", "READY", "SLOTS", "FREE", "SESSIONS"], header
    changed = await scene.kubectl.run(
        *("patch", "ags", "applied", "--type=merge", "-p", '{"spec":{"callId":"another"}}')
    )
    assert "spec cannot be changed" in changed.err, changed.err
    finalizers = (await scene.kubectl.get("ags", "applied"))["metadata"]["finalizers"]
    assert names.LEAVE_CALL in finalizers, str(finalizers)
    await scene.kubectl.ok("delete", "ags", "applied")  # which waits for the agent to leave
    assert await scene.kubectl.items("ags", "--field-selector=spec.callId=by-hand") == []


async def explained(scene: Scene) -> None:
    for field, words in {
        "agentsession.spec.restartPolicy": "OnPodLoss",
        "agentsession.status.phase": "FIELD: phase",
        "agentruntime.spec.sessionsPerPod": "FIELD: sessionsPerPod",
    }.items():
        said = await scene.kubectl.ok("explain", field)
        assert words in said, said
        assert len(said.split("DESCRIPTION:")[1].split()) > 5, f"{field} is not described: {said}"
    bad = json.dumps({**session("bad", "Not A Call"), "unknown": 1})
    refused = await scene.kubectl.run("apply", "-f", "-", given=bad)
    assert refused.status != 0, refused.out
    assert "unknown" in refused.err or "callId" in refused.err, refused.err


async def limits(scene: Scene) -> None:
    """A second fleet of one slot: each refusal has the status that the docs give it, and leaves nothing behind."""
    await scene.kubectl.apply(fleet.second(scene))
    await fleet.until_ready(scene, fleet.SECOND)
    door = await scene.door()
    held = await calls.start(scene, "limited", runtime=fleet.SECOND)
    again = await door.start("limited", runtime=fleet.SECOND)
    assert again.status == 429, f"a second session of the call: {again.status} {again.body}"
    assert int(again.headers["Retry-After"]) > 0
    full = await door.start("elsewhere", runtime=fleet.SECOND, limits={"start_deadline_seconds": 2})
    assert full.status == 503, f"no slot in time: {full.status} {full.body}"
    assert int(full.headers["Retry-After"]) > 0
    for status, call_id, body in (
        (422, "odd", {"runtime": "nowhere"}),
        (422, "odd", {"unknown": 1}),
        (422, "odd", {"parameters": {"nobody_takes_this": 1}}),
        (400, "Not%20A%20Call", {}),
        (413, "odd", {"parameters": {"question": "x" * 300_000}}),
    ):
        refused = await door.start(call_id, **body)
        assert refused.status == status, f"{body}: {refused.status} {refused.body}"
    key = {"key": "twice", "parameters": _QUESTION}
    one, two = await door.start("keyed", **key), await door.start("keyed", **key)
    assert one.session_id == two.session_id
    assert (await door.start("keyed", key="twice")).status == 422
    assert (await door.close("keyed", one.session_id)).status == 202
    left = await scene.kubectl.items("ags", "--field-selector=spec.callId=elsewhere")
    assert left == [], f"a refused start left {left}"
    await calls.close(scene, held)


async def closed_while_waiting(scene: Scene) -> None:
    """409 for whoever waits for a slot when somebody else closes that session."""
    held = await calls.start(scene, "holder", runtime=fleet.SECOND)
    door = await scene.door()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(door.start("waiter", runtime=fleet.SECOND, limits={"start_deadline_seconds": 120}))

        async def pending() -> str | None:
            found = (await door.ask("GET", "/sessions?call_id=waiter")).body["sessions"]
            return found[0]["session_id"] if found else None

        session_id = await scene.until(pending, "the second start waits for a slot")
        assert (await door.close("waiter", session_id)).status == 202
    assert waiting.result().status == 409, f"{waiting.result().status} {waiting.result().body}"
    await calls.close(scene, held)
