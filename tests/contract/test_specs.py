"""What the definitions of AgentSession and AgentRuntime refuse, default and keep, and the scale subresource."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.door import Door, Object, on_both, runtime, session

from greenroom_core.kube.errors import Invalid
from greenroom_core.kube.kinds import RUNTIMES, SESSIONS
from greenroom_core.kube.transport import MERGE_PATCH
from greenroom_core.model.runtime import Queue, WhenFull

NESTED = {"voice": {"name": "ann", "rate": 1.5}, "tags": ["a", {"b": None}], "on": True}


async def refused(door: Door, body: Object, *fields: str) -> str:
    """The message of the refusal, which names `fields` in its causes."""
    kind: Any = SESSIONS if body["kind"] == "AgentSession" else RUNTIMES
    with pytest.raises(Invalid) as found:
        await door.client.create(kind, door.namespace, body)
    assert {cause.field for cause in found.value.causes} - {"<nil>"} == set(fields)
    return found.value.message


@on_both
async def test_bad_call_id_is_refused_with_the_field_and_the_rule(door: Door) -> None:
    for call_id in ("Call 1", "call.1", "", "x" * 256, "call\n"):
        message = await refused(door, session("s", spec={"callId": call_id}), "spec.callId")
        assert "spec.callId" in message
    assert "should match '^[a-z0-9_-]+$'" in await refused(door, session("s", spec={"callId": "A"}), "spec.callId")


@on_both
async def test_every_bad_field_is_named_at_once(door: Door) -> None:
    spec = {
        "callId": "ok",
        "callType": "x" * 65,
        "priority": "high",
        "restartPolicy": "Always",
        "limits": {"maxDurationSeconds": 0, "idleTimeoutSeconds": -1},
        "ttlSecondsAfterFinished": 1.5,
        "parameters": {str(number): number for number in range(129)},
    }
    await refused(
        door,
        session("s", spec=spec),
        "spec.callType",
        "spec.priority",
        "spec.restartPolicy",
        "spec.limits.maxDurationSeconds",
        "spec.limits.idleTimeoutSeconds",
        "spec.ttlSecondsAfterFinished",
        "spec.parameters",
    )


@on_both
async def test_missing_call_and_missing_spec_are_named(door: Door) -> None:
    body = session("s")
    del body["spec"]["callId"]
    await refused(door, body, "spec.callId")
    del body["spec"]
    await refused(door, body, "spec")


@on_both
async def test_spec_of_a_session_cannot_be_changed(door: Door) -> None:
    spec = {"parameters": NESTED, "limits": {"maxDurationSeconds": 60}}
    await door.client.create(SESSIONS, door.namespace, session("s", spec=spec))
    changes: list[Object] = [
        {"callId": "another"},
        {"parameters": {"voice": {"rate": 2}}},
        {"parameters": {"voice": {"name": None}}},
        {"parameters": {"new": 1}},
        {"limits": None},
        {"priority": 1},
        {"podName": "p1"},
    ]
    for change in changes:
        with pytest.raises(Invalid, match="spec cannot be changed") as found:
            await door.client.merge_patch(SESSIONS, door.namespace, "s", {"spec": change})
        assert [cause.field for cause in found.value.causes] == ["spec"]


@on_both
async def test_removing_what_has_a_default_is_a_change_of_nothing(door: Door) -> None:
    await door.create("s")
    before = await door.patch_status("s", epoch=1)
    after = await door.client.merge_patch(
        SESSIONS, door.namespace, "s", {"spec": {"callType": None, "runtime": None, "priority": None}}
    )
    assert after == before


@on_both
async def test_free_parameters_are_kept_whole_and_other_unknown_fields_pruned(door: Door) -> None:
    body = session("s", spec={"parameters": NESTED, "unknown": 1})
    _, made = await door.raw("POST", SESSIONS.path(door.namespace), body | {"extra": 1})
    assert made["spec"] == {
        "callId": "call-1",
        "callType": "default",
        "runtime": "default",
        "priority": 0,
        "parameters": NESTED,
    }
    assert "extra" not in made


@on_both
async def test_labels_and_annotations_of_a_session_can_be_changed_and_its_generation_stays(door: Door) -> None:
    made = await door.create("s")
    patch = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}
    after = await door.client.merge_patch(SESSIONS, door.namespace, "s", patch)
    assert (after.metadata.labels, after.metadata.annotations) == ({"a": "b"}, {"c": "d"})
    assert after.metadata.generation == made.metadata.generation == 1
    gone = await door.client.merge_patch(SESSIONS, door.namespace, "s", {"metadata": {"annotations": {"c": None}}})
    assert gone.metadata.annotations == {}


@on_both
async def test_runtime_has_a_fixed_size_or_autoscaling_and_never_both_or_none(door: Door) -> None:
    rule = "set exactly one of spec.replicas and spec.autoscaling"
    assert rule in await refused(door, runtime("none"), "spec")
    assert rule in await refused(door, runtime("both", replicas=1, autoscaling={"maxPods": 2}), "spec")
    await door.client.create(RUNTIMES, door.namespace, runtime("fixed", replicas=0))
    await door.client.create(RUNTIMES, door.namespace, runtime("auto", autoscaling={"maxPods": 2}))


@on_both
async def test_the_fewest_pods_are_no_more_than_the_most(door: Door) -> None:
    rule = "spec.autoscaling.minPods is larger than maxPods"
    assert rule in await refused(door, runtime("r", autoscaling={"minPods": 3, "maxPods": 2}), "spec")
    await door.client.create(RUNTIMES, door.namespace, runtime("none", autoscaling={"minPods": 0, "maxPods": 0}))


@on_both
async def test_int_or_percent_takes_both_and_nothing_else(door: Door) -> None:
    field = "spec.autoscaling.bufferSessions"
    for number, good in enumerate((3, "3", "10%")):
        spec = {"autoscaling": {"maxPods": 2, "bufferSessions": good}}
        made = await door.client.create(RUNTIMES, door.namespace, runtime(f"good-{number}", **spec))
        assert made.spec.autoscaling is not None
        assert made.spec.autoscaling.buffer_sessions == good
    for bad in ("ten", "%", True, 1.5):
        await refused(door, runtime("bad", autoscaling={"maxPods": 2, "bufferSessions": bad}), field)


@on_both
async def test_queue_is_fair_by_a_labels_key_and_nothing_else_and_either_waits_or_refuses(door: Door) -> None:
    longest = ".".join(["p" * 62] * 4) + "p/" + "n" * 63
    for number, good in enumerate(("team", "example.com/team", "A_b.c-9", longest)):
        made = await door.client.create(
            RUNTIMES, door.namespace, runtime(f"good-{number}", replicas=1, queue={"fairBy": good})
        )
        assert (made.spec.queue.fair_by, made.spec.queue.when_full) == (good, WhenFull.WAIT)
    for bad in ("", "a b", "-a", "a/b/c", "/a", "Example.com/a", "n" * 64, "p" * 254 + "/a", longest + "n"):
        await refused(door, runtime("bad", replicas=1, queue={"fairBy": bad}), "spec.queue.fairBy")
    await refused(door, runtime("bad", replicas=1, queue={"whenFull": "Drop"}), "spec.queue.whenFull")
    made = await door.client.create(RUNTIMES, door.namespace, runtime("full", replicas=1, queue={"whenFull": "Refuse"}))
    assert made.spec.queue == Queue(when_full=WhenFull.REFUSE)


@on_both
async def test_defaults_of_a_runtime_are_filled_in_where_their_parent_is_given(door: Door) -> None:
    _, made = await door.raw("POST", RUNTIMES.path(door.namespace), runtime("auto", autoscaling={"maxPods": 2}))
    spec = made["spec"]
    assert (spec["sessionsPerPod"], spec["placement"], spec["drainTimeoutSeconds"]) == (10, "Packed", 3600)
    assert spec["autoscaling"] == {"maxPods": 2, "minPods": 0, "bufferSessions": 1, "scaleDownDelaySeconds": 300}
    assert "sessionDefaults" not in spec


@on_both
async def test_generation_of_a_runtime_grows_with_its_spec_and_not_with_its_status(door: Door) -> None:
    await door.client.create(RUNTIMES, door.namespace, runtime("r", replicas=1))
    grown = await door.client.merge_patch(RUNTIMES, door.namespace, "r", {"spec": {"replicas": 2}})
    assert grown.metadata.generation == 2
    patch = {"status": {"pods": 1}}
    written = await door.client.merge_patch(RUNTIMES, door.namespace, "r", patch, subresource="status")
    assert (written.metadata.generation, written.status.pods) == (2, 1)


@on_both
async def test_scale_of_a_fixed_size_reads_and_writes_replicas(door: Door) -> None:
    await door.client.create(RUNTIMES, door.namespace, runtime("r", replicas=1))
    patch = {"status": {"pods": 1, "selector": "greenroom.dev/runtime=r"}}
    await door.client.merge_patch(RUNTIMES, door.namespace, "r", patch, subresource="status")
    path = RUNTIMES.path(door.namespace, "r", "scale")
    status, scale = await door.raw("GET", path)
    assert (status, scale["spec"]) == (200, {"replicas": 1})
    assert scale["status"] == {"replicas": 1, "selector": "greenroom.dev/runtime=r"}
    status, scale = await door.raw("PATCH", path, {"spec": {"replicas": 4}}, MERGE_PATCH)
    assert (status, scale["spec"]) == (200, {"replicas": 4})
    assert (await door.client.get(RUNTIMES, door.namespace, "r")).spec.replicas == 4


@on_both
async def test_scale_without_replicas_is_500_to_read_and_refused_by_the_rule_to_write(door: Door) -> None:
    await door.client.create(RUNTIMES, door.namespace, runtime("r", autoscaling={"maxPods": 2}))
    path = RUNTIMES.path(door.namespace, "r", "scale")
    status, body = await door.raw("GET", path)
    assert status == 500
    assert 'the spec replicas field ".spec.replicas" does not exist' in body["message"]
    status, body = await door.raw("PATCH", path, {"spec": {"replicas": 4}}, MERGE_PATCH)
    assert status == 422
    assert "set exactly one of spec.replicas and spec.autoscaling" in body["message"]
