"""Deletion: finalizers, preconditions, and the grace that pods get."""

from __future__ import annotations

import pytest
from tests.contract.door import Door, on_both, pod, unique

from greenroom_core.kube.errors import Conflict, Invalid, NotFound
from greenroom_core.kube.kinds import PODS, SESSIONS
from greenroom_core.model.names import LEAVE_CALL
from greenroom_core.model.phases import Phase


@on_both
async def test_without_finalizer_an_object_is_gone_at_once(door: Door) -> None:
    made = await door.create()
    await door.client.delete(SESSIONS, door.namespace, made.metadata.name, uid=made.metadata.uid)
    with pytest.raises(NotFound):
        await door.get(made.metadata.name)
    with pytest.raises(NotFound):
        await door.client.delete(SESSIONS, door.namespace, made.metadata.name)


@on_both
async def test_finalizer_keeps_a_deleted_object_until_it_is_taken_off(door: Door) -> None:
    made = await door.create(finalizers=[LEAVE_CALL])
    name = made.metadata.name
    await door.client.delete(SESSIONS, door.namespace, name)
    leaving = await door.get(name)
    assert leaving.deleting
    assert leaving.metadata.generation == made.metadata.generation + 1
    await door.client.delete(SESSIONS, door.namespace, name)
    assert await door.get(name) == leaving
    await door.client.merge_patch(SESSIONS, door.namespace, name, {"metadata": {"finalizers": []}})
    with pytest.raises(NotFound):
        await door.get(name)


@on_both
async def test_taking_the_last_finalizer_off_answers_with_the_old_version_and_watches_see_the_body_from_before(
    door: Door,
) -> None:
    made = await door.create(finalizers=[LEAVE_CALL])
    name = made.metadata.name
    await door.client.delete(SESSIONS, door.namespace, name)
    leaving = await door.get(name)
    async with door.watching(version=leaving.metadata.resource_version) as events:
        answer = await door.client.merge_patch(SESSIONS, door.namespace, name, {"metadata": {"finalizers": None}})
        type_, gone = await events.next()
    assert (answer.metadata.finalizers, answer.metadata.version) == ((), leaving.metadata.version)
    assert (type_, gone["metadata"]["finalizers"]) == ("DELETED", [LEAVE_CALL])
    assert int(gone["metadata"]["resourceVersion"]) > leaving.metadata.version


@on_both
async def test_new_finalizer_on_a_terminating_object_is_422(door: Door) -> None:
    made = await door.create(finalizers=[LEAVE_CALL])
    await door.client.delete(SESSIONS, door.namespace, made.metadata.name)
    patch = {"metadata": {"finalizers": [LEAVE_CALL, "example.com/late"]}}
    with pytest.raises(Invalid, match="no new finalizers can be added") as refused:
        await door.client.merge_patch(SESSIONS, door.namespace, made.metadata.name, patch)
    assert {cause.field for cause in refused.value.causes} == {"metadata.finalizers"}


@on_both
async def test_version_precondition_of_a_delete_is_honoured_with_a_finalizer_too(door: Door) -> None:
    made = await door.create(finalizers=[LEAVE_CALL])
    name = made.metadata.name
    bound = await door.patch_status(name, podName="p1")
    stale, fresh = made.metadata.resource_version, bound.metadata.resource_version
    with pytest.raises(Conflict, match="does not match the ResourceVersion in record"):
        await door.client.delete(SESSIONS, door.namespace, name, uid=made.metadata.uid, resource_version=stale)
    assert not (await door.get(name)).deleting
    await door.client.delete(SESSIONS, door.namespace, name, uid=made.metadata.uid, resource_version=fresh)
    assert (await door.get(name)).deleting


@on_both
async def test_version_precondition_of_a_delete_is_honoured_without_a_finalizer(door: Door) -> None:
    made = await door.create()
    name = made.metadata.name
    await door.patch_status(name, podName="p1")
    with pytest.raises(Conflict):
        await door.client.delete(SESSIONS, door.namespace, name, resource_version=made.metadata.resource_version)
    assert (await door.get(name)).status.pod_name == "p1"


@on_both
async def test_uid_precondition_of_a_delete_spares_a_namesake(door: Door) -> None:
    first = await door.create()
    name = first.metadata.name
    await door.client.delete(SESSIONS, door.namespace, name)
    second = await door.create(name)
    with pytest.raises(Conflict, match="does not match the UID in record"):
        await door.client.delete(SESSIONS, door.namespace, name, uid=first.metadata.uid)
    assert (await door.get(name)).metadata.uid == second.metadata.uid != first.metadata.uid


@on_both
async def test_ended_session_that_is_terminating_can_still_be_told_its_end(door: Door) -> None:
    made = await door.create(finalizers=[LEAVE_CALL])
    await door.client.delete(SESSIONS, door.namespace, made.metadata.name)
    ended = await door.patch_status(made.metadata.name, phase="Closed", reason="Deleted")
    assert (ended.deleting, ended.status.phase) == (True, Phase.CLOSED)


@on_both
async def test_pod_without_a_node_is_gone_at_once(door: Door) -> None:
    name = unique("pod")
    await door.client.create(PODS, door.namespace, pod(name))
    async with door.watching(PODS) as events:
        await door.client.delete(PODS, door.namespace, name)
        seen = [await events.next(), await events.next()]
    assert [type_ for type_, _ in seen] == ["MODIFIED", "DELETED"]
    assert all(body["metadata"]["deletionGracePeriodSeconds"] == 0 for _, body in seen)
    with pytest.raises(NotFound):
        await door.client.get(PODS, door.namespace, name)


@on_both
async def test_pod_on_a_node_waits_for_its_grace_until_somebody_finishes_it(door: Door) -> None:
    name = unique("pod")
    made = await door.client.create(PODS, door.namespace, pod(name, node="node-1"))
    await door.client.delete(PODS, door.namespace, name, uid=made.metadata.uid, grace_period_seconds=20)
    leaving = await door.client.get(PODS, door.namespace, name)
    assert leaving.leaving
    assert leaving.metadata.deletion_grace_period_seconds == 20
    await door.client.delete(PODS, door.namespace, name, uid=made.metadata.uid, grace_period_seconds=0)
    with pytest.raises(NotFound):
        await door.client.get(PODS, door.namespace, name)


@on_both
async def test_grace_of_a_pod_is_its_own_by_default_and_can_only_be_shortened(door: Door) -> None:
    name = unique("pod")
    await door.client.create(PODS, door.namespace, pod(name, node="node-1"))

    async def deleted(grace_period_seconds: int | None) -> tuple[int | None, float]:
        await door.client.delete(PODS, door.namespace, name, grace_period_seconds=grace_period_seconds)
        meta = (await door.client.get(PODS, door.namespace, name)).metadata
        assert meta.deletion_timestamp is not None
        return meta.deletion_grace_period_seconds, meta.deletion_timestamp.timestamp()

    grace, first = await deleted(None)
    assert grace == 30
    assert await deleted(100) == (30, first)
    assert await deleted(None) == (30, first)
    assert await deleted(10) == (10, first - 20)


@on_both
async def test_pod_that_has_ended_goes_at_once_though_it_is_on_a_node(door: Door) -> None:
    name = unique("pod")
    await door.client.create(PODS, door.namespace, pod(name, node="node-1"))
    await door.client.merge_patch(PODS, door.namespace, name, {"status": {"phase": "Failed"}}, subresource="status")
    await door.client.delete(PODS, door.namespace, name)
    with pytest.raises(NotFound):
        await door.client.get(PODS, door.namespace, name)


@on_both
async def test_pod_is_deleted_only_at_the_version_it_was_seen_at(door: Door) -> None:
    name = unique("pod")
    seen = await door.client.create(PODS, door.namespace, pod(name, node="node-1"))
    busy = {"metadata": {"labels": {"greenroom.dev/busy": "true"}}}
    await door.client.merge_patch(PODS, door.namespace, name, busy)
    with pytest.raises(Conflict):
        await door.client.delete(
            PODS, door.namespace, name, uid=seen.metadata.uid, resource_version=seen.metadata.resource_version
        )
    assert not (await door.client.get(PODS, door.namespace, name)).leaving
