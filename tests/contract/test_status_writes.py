"""Writes of status: which forms the server takes, which it refuses, and which it passes over in silence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from tests.contract.door import Door, Object, on_both, session, unique

from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import Conflict, Invalid
from greenroom_core.kube.kinds import SESSIONS, loose
from greenroom_core.kube.patches import attempt_status, versioned_status
from greenroom_core.model.names import CLOSE_REQUESTED, LEAVE_CALL
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import WaitReason
from greenroom_core.model.session import (
    ANSWER_MAX_LENGTH,
    CHECKPOINT_MAX_BYTES,
    Checkpoint,
    Effective,
    LastAttempt,
    RestartPolicy,
    SessionLimits,
)

if TYPE_CHECKING:
    from greenroom_core.model.session import AgentSession

NOTES = loose("/apis/contract.greenroom.dev/v1", "notes")


def notes_crd() -> dict[str, Any]:
    """A kind like a session, but without any default in its status."""
    text = {"type": "string"}
    status = {"type": "object", "properties": {"phase": text, "podName": text}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "notes.contract.greenroom.dev"},
        "spec": {
            "group": "contract.greenroom.dev",
            "scope": "Namespaced",
            "names": {"kind": "Note", "listKind": "NoteList", "plural": "notes", "singular": "note"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"status": status}}},
                    "subresources": {"status": {}},
                    "selectableFields": [{"jsonPath": ".status.phase"}],
                }
            ],
        },
    }


async def new_note(door: Door, phase: str = "") -> str:
    name = unique("note")
    body = {"apiVersion": "contract.greenroom.dev/v1", "kind": "Note", "metadata": {"name": name}}
    await door.client.create(NOTES, door.namespace, body)
    if phase:
        patch = {"status": {"phase": phase}}
        await door.client.merge_patch(NOTES, door.namespace, name, patch, subresource="status")
    return name


async def written_once(door: Door) -> AgentSession:
    """A session whose status is stored, not only shown."""
    made = await door.create()
    return await door.patch_status(made.metadata.name, epoch=1)


@on_both
async def test_json_patch_test_for_null_below_an_absent_status_fails_so_such_a_first_bind_never_succeeds(
    door: Door,
) -> None:
    await door.install(notes_crd())
    name = await new_note(door)
    bind: list[Object] = [
        {"op": "test", "path": "/status/podName", "value": None},
        {"op": "add", "path": "/status/podName", "value": "p1"},
    ]
    with pytest.raises(Invalid) as refused:
        await door.client.json_patch(NOTES, door.namespace, name, bind, subresource="status")
    assert refused.value.causes == ()
    whole: list[Object] = [
        {"op": "test", "path": "/status", "value": None},
        {"op": "add", "path": "/status", "value": {}},
    ]
    await door.client.json_patch(NOTES, door.namespace, name, whole, subresource="status")


@on_both
async def test_json_patch_test_for_null_equals_a_missing_leaf_where_status_is_present(door: Door) -> None:
    made = await door.create()
    bind: list[Object] = [
        {"op": "test", "path": "/status/podName", "value": None},
        {"op": "add", "path": "/status/podName", "value": "p1"},
    ]
    bound = await door.client.json_patch(SESSIONS, door.namespace, made.metadata.name, bind, subresource="status")
    assert bound.status.pod_name == "p1"
    with pytest.raises(Invalid):
        await door.client.json_patch(SESSIONS, door.namespace, made.metadata.name, bind, subresource="status")


@on_both
async def test_default_phase_is_seen_by_create_get_watch_and_selector_without_a_write(door: Door) -> None:
    async with door.watching(fields="status.phase=Pending") as events:
        status, made = await door.raw("POST", SESSIONS.path(door.namespace), session("fresh"))
        assert (status, made["status"]) == (201, {"phase": "Pending"})
        type_, seen = await events.next()
    assert (type_, seen["status"]) == ("ADDED", {"phase": "Pending"})
    _, got = await door.raw("GET", SESSIONS.path(door.namespace, "fresh"))
    assert got["status"] == {"phase": "Pending"}
    assert got["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    listed = await door.client.list(SESSIONS, Selection(door.namespace, fields="status.phase=Pending"))
    assert [item.metadata.name for item in listed.items] == ["fresh"]


@on_both
async def test_status_given_at_creation_is_dropped(door: Door) -> None:
    body = session("eager") | {"status": {"phase": "Running", "podName": "p1"}}
    made = await door.client.create(SESSIONS, door.namespace, body)
    assert (made.status.phase, made.status.pod_name) == (Phase.PENDING, None)


@on_both
async def test_selector_on_phase_without_a_default_misses_what_has_none(door: Door) -> None:
    await door.install(notes_crd())
    none, closed = await new_note(door), await new_note(door, "Closed")

    async def selected(fields: str) -> set[str]:
        page = await door.client.list(NOTES, Selection(door.namespace, fields=fields))
        return {item.metadata.name for item in page.items}

    assert await selected("status.phase=Pending") == set()
    assert await selected("status.phase=") == {none}
    assert await selected("status.phase!=Closed") == {none}
    assert await selected("status.phase=Closed") == {closed}


@on_both
async def test_failed_json_patch_test_is_422_without_causes(door: Door) -> None:
    made = await door.create()
    operations: list[Object] = [{"op": "test", "path": "/status/attempt", "value": 7}]
    with pytest.raises(Invalid) as refused:
        await door.client.json_patch(SESSIONS, door.namespace, made.metadata.name, operations, subresource="status")
    assert (refused.value.status, refused.value.reason, refused.value.causes) == (422, "Invalid", ())


@on_both
async def test_schema_refusal_of_a_status_is_422_with_the_fields_in_causes(door: Door) -> None:
    made = await door.create()
    operations: list[Object] = [
        {"op": "add", "path": "/status/attempt", "value": "x"},
        {"op": "add", "path": "/status/phase", "value": "Sleeping"},
        {"op": "add", "path": "/status/scheduledAt", "value": "yesterday"},
        {"op": "add", "path": "/status/conditions", "value": [{"type": "Ready"}]},
        {"op": "add", "path": "/status/answer", "value": "ü" * (ANSWER_MAX_LENGTH + 1)},
    ]
    with pytest.raises(Invalid) as refused:
        await door.client.json_patch(SESSIONS, door.namespace, made.metadata.name, operations, subresource="status")
    fields = {cause.field for cause in refused.value.causes}
    wrong = {"status.attempt", "status.phase", "status.scheduledAt", "status.answer"}
    missing = {f"status.conditions[0].{name}" for name in ("status", "reason", "lastTransitionTime")}
    # The last one belongs to no field: rules over the whole object were not tried.
    assert fields == wrong | missing | {"<nil>"}


@on_both
async def test_a_checkpoint_is_a_bounded_text_and_a_refusal_does_not_repeat_it(door: Door) -> None:
    made = await door.create()
    wrongs: list[tuple[Object, str]] = [
        ({"state": "ü" * (CHECKPOINT_MAX_BYTES + 1), "attempt": 1}, "state"),
        ({"state": {"said": "üü"}, "attempt": 1}, "state"),
        ({"state": "{}", "attempt": 0}, "attempt"),
        ({"state": "üü"}, "attempt"),
        ({"attempt": 1}, "state"),
    ]
    for wrong, field in wrongs:
        operations: list[Object] = [{"op": "add", "path": "/status/checkpoint", "value": wrong}]
        with pytest.raises(Invalid) as refused:
            await door.client.json_patch(SESSIONS, door.namespace, made.metadata.name, operations, subresource="status")
        assert {cause.field for cause in refused.value.causes} - {"<nil>"} == {f"status.checkpoint.{field}"}
        assert "üü" not in str(refused.value)


@on_both
async def test_a_checkpoint_goes_out_as_one_value_and_goes_with_null(door: Door) -> None:
    made = await door.create()
    name = made.metadata.name
    bound = await door.patch_status(name, podName="p1", podUID="u1", attempt=1, phase="Running")
    for checkpoint in (Checkpoint(state='{"said":"ü"}', attempt=1), Checkpoint(state='{"n":1e400}', attempt=1), None):
        patch = attempt_status(bound, {"checkpoint": checkpoint})
        held = await door.client.json_patch(SESSIONS, door.namespace, name, patch, subresource="status")
        assert held.status.checkpoint == checkpoint


@on_both
async def test_two_conditions_of_one_type_are_refused(door: Door) -> None:
    made = await door.create()
    condition = {"type": "Ready", "status": "True", "reason": "Built", "lastTransitionTime": "2030-01-01T00:00:00Z"}
    with pytest.raises(Invalid, match="Duplicate value") as refused:
        await door.patch_status(made.metadata.name, conditions=[condition, condition])
    assert [cause.field for cause in refused.value.causes] == ["status.conditions[1]"]


@on_both
async def test_stale_version_in_a_merge_patch_of_status_is_409_and_an_annotation_in_between_is_enough(
    door: Door,
) -> None:
    made = await door.create()
    name, version = made.metadata.name, made.metadata.resource_version
    await door.client.merge_patch(
        SESSIONS, door.namespace, name, {"metadata": {"annotations": {CLOSE_REQUESTED: "yes"}}}
    )
    with pytest.raises(Conflict):
        await door.client.merge_patch(
            SESSIONS, door.namespace, name, versioned_status(version, {"epoch": 1}), subresource="status"
        )
    assert (await door.get(name)).status.epoch == 0


@on_both
async def test_fresh_version_in_a_merge_patch_of_status_holds(door: Door) -> None:
    made = await door.create()
    patch = versioned_status(made.metadata.resource_version, {"epoch": 3, "podName": "p1"})
    bound = await door.client.merge_patch(SESSIONS, door.namespace, made.metadata.name, patch, subresource="status")
    assert (bound.status.epoch, bound.status.pod_name) == (3, "p1")
    assert bound.metadata.version > made.metadata.version
    assert bound.metadata.generation == made.metadata.generation


@on_both
async def test_values_in_a_merge_patch_of_status_replace_those_before_them_as_a_whole(door: Door) -> None:
    async def write(**fields: Any) -> AgentSession:
        patch = versioned_status((await door.get(name)).metadata.resource_version, fields)
        return await door.client.merge_patch(SESSIONS, door.namespace, name, patch, subresource="status")

    name = (await door.create()).metadata.name
    at = datetime(2030, 1, 1, tzinfo=UTC)
    first = LastAttempt(attempt=1, pod_name="p1", joined_at=at, ended_at=at, reason=WaitReason.POD_LOST, losses=1)
    second = LastAttempt(attempt=2, pod_name="p2", ended_at=at, reason=WaitReason.RETURNED)
    settings = Effective(limits=SessionLimits(idle_timeout_seconds=9), restart_policy=RestartPolicy.NEVER)
    fewer = Effective(limits=SessionLimits(start_deadline_seconds=60))
    written = await write(lastAttempt=first, effective=settings)
    assert (written.status.last_attempt, written.status.effective) == (first, settings)
    written = await write(lastAttempt=second, effective=fewer)
    assert (written.status.last_attempt, written.status.effective) == (second, fewer)


@on_both
async def test_wrong_uid_in_a_merge_patch_of_status_is_silently_passed_over(door: Door) -> None:
    made = await door.create()
    patch = {"metadata": {"uid": "of-another"}, "status": {"epoch": 5}}
    written = await door.client.merge_patch(SESSIONS, door.namespace, made.metadata.name, patch, subresource="status")
    assert (written.status.epoch, written.metadata.uid) == (5, made.metadata.uid)


@on_both
async def test_wrong_uid_in_a_merge_patch_of_the_main_resource_is_422(door: Door) -> None:
    made = await door.create()
    with pytest.raises(Invalid) as refused:
        await door.client.merge_patch(SESSIONS, door.namespace, made.metadata.name, {"metadata": {"uid": "of-another"}})
    assert {cause.field for cause in refused.value.causes} == {"metadata.uid"}


@on_both
async def test_uid_tested_in_a_json_patch_guards_status_and_main_resource(door: Door) -> None:
    made = await door.create()
    name = made.metadata.name
    wrong = {"op": "test", "path": "/metadata/uid", "value": "of-another"}
    right = {"op": "test", "path": "/metadata/uid", "value": made.metadata.uid}
    epoch = {"op": "add", "path": "/status/epoch", "value": 2}
    label = {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}
    for write, subresource in ((epoch, "status"), (label, "")):
        with pytest.raises(Invalid) as refused:
            await door.client.json_patch(SESSIONS, door.namespace, name, [wrong, write], subresource=subresource)
        assert refused.value.causes == ()
        await door.client.json_patch(SESSIONS, door.namespace, name, [right, write], subresource=subresource)
    after = await door.get(name)
    assert (after.status.epoch, after.metadata.labels) == (2, {"a": "b"})


@on_both
async def test_pods_form_of_a_status_write_holds_only_while_the_attempt_does(door: Door) -> None:
    made = await door.create()
    name = made.metadata.name
    bound = await door.patch_status(name, podName="p1", podUID="u1", attempt=1, phase="Scheduled")
    running = await door.client.json_patch(
        SESSIONS,
        door.namespace,
        name,
        attempt_status(bound, {"phase": Phase.RUNNING, "message": "hello"}),
        subresource="status",
    )
    assert (running.status.phase, running.status.message) == (Phase.RUNNING, "hello")
    await door.patch_status(name, podUID="u2", attempt=2)
    with pytest.raises(Invalid) as refused:
        await door.client.json_patch(
            SESSIONS, door.namespace, name, attempt_status(bound, {"phase": Phase.CLOSED}), subresource="status"
        )
    assert refused.value.causes == ()


@on_both
async def test_null_added_to_a_status_field_removes_it_and_to_the_phase_brings_the_default_back(door: Door) -> None:
    made = await door.create()
    name = made.metadata.name
    bound = await door.patch_status(name, podName="p1", podUID="u1", attempt=1, phase="Running", message="x")
    await door.client.json_patch(
        SESSIONS,
        door.namespace,
        name,
        attempt_status(bound, {"message": None, "phase": None, "podName": None}),
        subresource="status",
    )
    _, body = await door.raw("GET", SESSIONS.path(door.namespace, name))
    assert body["status"] == {"phase": "Pending", "podUID": "u1", "attempt": 1}


@on_both
async def test_unknown_fields_of_a_status_are_pruned(door: Door) -> None:
    made = await door.create()
    written = await door.patch_status(made.metadata.name, nonsense=1, epoch=1)
    again = await door.patch_status(made.metadata.name, nonsense=2)
    assert again.metadata.resource_version == written.metadata.resource_version


@on_both
async def test_status_of_a_terminating_object_can_still_be_written(door: Door) -> None:
    made = await door.create(finalizers=[LEAVE_CALL])
    name = made.metadata.name
    await door.client.delete(SESSIONS, door.namespace, name)
    bind: list[Object] = [
        {"op": "test", "path": "/status/podName", "value": None},
        {"op": "add", "path": "/status/podName", "value": "p1"},
    ]
    bound = await door.client.json_patch(SESSIONS, door.namespace, name, bind, subresource="status")
    assert bound.deleting
    assert bound.status.pod_name == "p1"


@on_both
async def test_metadata_through_status_is_passed_over(door: Door) -> None:
    made = await written_once(door)
    patch = {"metadata": {"annotations": {CLOSE_REQUESTED: "yes"}, "finalizers": [LEAVE_CALL], "labels": {"a": "b"}}}
    after = await door.client.merge_patch(SESSIONS, door.namespace, made.metadata.name, patch, subresource="status")
    # In 1.32 it is a write all the same; in 1.36, and in the fake, it is none.
    assert replace(after.metadata, resource_version=made.metadata.resource_version) == made.metadata


@on_both
async def test_status_through_the_main_resource_is_passed_over_without_a_write(door: Door) -> None:
    made = await written_once(door)
    patch = {"status": {"phase": "Running", "podName": "p1"}}
    after = await door.client.merge_patch(SESSIONS, door.namespace, made.metadata.name, patch)
    assert after == made
    assert (await door.get(made.metadata.name)).metadata.resource_version == made.metadata.resource_version


@on_both
async def test_write_that_changes_nothing_is_not_a_write(door: Door) -> None:
    made = await door.create()
    first = await door.patch_status(made.metadata.name, epoch=4)
    second = await door.patch_status(made.metadata.name, epoch=4)
    assert second.metadata.resource_version == first.metadata.resource_version


@on_both
async def test_first_update_stores_the_default_status_and_so_is_a_write_even_if_it_changes_nothing(door: Door) -> None:
    made = await door.create()
    first = await door.client.merge_patch(SESSIONS, door.namespace, made.metadata.name, {"metadata": {"labels": {}}})
    second = await door.client.merge_patch(SESSIONS, door.namespace, made.metadata.name, {"metadata": {"labels": {}}})
    assert first.metadata.version > made.metadata.version
    assert (first.status, first.spec) == (made.status, made.spec)
    assert second.metadata.resource_version == first.metadata.resource_version


@on_both
async def test_paused_leaders_bind_lands_beside_a_newer_leaders_so_the_limit_of_a_call_breaks(door: Door) -> None:
    planned_by_a = await door.create()
    made_for_b = await door.create()
    await door.patch_status(made_for_b.metadata.name, podName="p1", podUID="u1", phase="Scheduled")
    late = versioned_status(planned_by_a.metadata.resource_version, {"podName": "p2", "phase": "Scheduled"})
    bound = await door.client.merge_patch(
        SESSIONS, door.namespace, planned_by_a.metadata.name, late, subresource="status"
    )
    assert bound.status.pod_name == "p2"


@on_both
async def test_paused_leaders_bind_is_refused_once_the_newer_leader_has_touched_the_session(door: Door) -> None:
    planned_by_a = await door.create()
    name, version = planned_by_a.metadata.name, planned_by_a.metadata.resource_version
    fence = versioned_status(version, {"epoch": 2})
    await door.client.merge_patch(SESSIONS, door.namespace, name, fence, subresource="status")
    late = versioned_status(version, {"podName": "p2", "phase": "Scheduled"})
    with pytest.raises(Conflict):
        await door.client.merge_patch(SESSIONS, door.namespace, name, late, subresource="status")
