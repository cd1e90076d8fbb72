"""The plain verbs: create, read, list, patch, apply, bind, and their refusals."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.door import Door, on_both, on_fake, pod, session, unique

import greenroom_core.kube.client as client_module
from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import AlreadyExists, Conflict, Expired, Invalid, NotFound, Refused
from greenroom_core.kube.kinds import EVENTS, PODS, SESSIONS, loose
from greenroom_core.kube.transport import JSON_PATCH, MERGE_PATCH

LEASES = loose("/apis/coordination.k8s.io/v1", "leases")


@on_both
async def test_name_taken_is_already_exists(door: Door) -> None:
    await door.create("s")
    with pytest.raises(AlreadyExists):
        await door.create("s")


@on_both
async def test_of_many_that_create_one_name_at_once_one_wins(door: Door) -> None:
    async def create() -> str:
        try:
            return (await door.create("s")).metadata.uid
        except AlreadyExists:
            return ""

    won = [uid for uid in await asyncio.gather(*(create() for _ in range(8))) if uid]
    assert won == [(await door.get("s")).metadata.uid]


@on_both
async def test_unknown_object_and_unknown_namespace_are_404(door: Door) -> None:
    with pytest.raises(NotFound):
        await door.get("nobody")
    with pytest.raises(NotFound):
        await door.patch_status("nobody", epoch=1)
    with pytest.raises(NotFound, match="nowhere"):
        await door.client.create(SESSIONS, "nowhere", session("s"))


@on_both
async def test_name_must_be_a_subdomain_and_must_be_there(door: Door) -> None:
    with pytest.raises(Invalid) as refused:
        await door.create("Upper_Case")
    assert [cause.field for cause in refused.value.causes] == ["metadata.name"]
    with pytest.raises(Invalid, match="name or generateName is required"):
        await door.client.create(SESSIONS, door.namespace, session(""))


@on_both
async def test_generated_name_starts_as_asked(door: Door) -> None:
    body = session("")
    body["metadata"] = {"generateName": "call-"}
    made = await door.client.create(SESSIONS, door.namespace, body)
    assert made.metadata.name.startswith("call-")
    assert len(made.metadata.name) == len("call-") + 5


@on_both
async def test_server_alone_says_uid_version_and_times(door: Door) -> None:
    made = await door.create("s", uid="mine", creationTimestamp="2001-01-01T00:00:00Z", generation=9)
    assert made.metadata.uid != "mine"
    assert made.metadata.creation_timestamp is not None
    assert made.metadata.creation_timestamp.year > 2001
    assert (made.metadata.generation, made.metadata.namespace) == (1, door.namespace)


@on_both
async def test_dry_run_judges_and_keeps_nothing(door: Door) -> None:
    await door.client.dry_run_create(SESSIONS, door.namespace, session("s"))
    with pytest.raises(NotFound):
        await door.get("s")
    with pytest.raises(Invalid, match=r"spec\.callId"):
        await door.client.dry_run_create(SESSIONS, door.namespace, session("s", spec={"callId": "!"}))
    made = await door.create("s")
    await door.client.merge_patch(SESSIONS, door.namespace, "s", {"metadata": {"labels": {"a": "b"}}}, dry_run=True)
    assert (await door.get("s")).metadata == made.metadata


@on_both
async def test_apply_creates_and_then_merges(door: Door) -> None:
    first = await door.client.apply(SESSIONS, door.namespace, "s", session("s"), manager="test")
    labelled = session("s", labels={"a": "b"})
    second = await door.client.apply(SESSIONS, door.namespace, "s", labelled, manager="test")
    assert second.metadata.uid == first.metadata.uid
    assert second.metadata.labels == {"a": "b"}
    again = await door.client.apply(SESSIONS, door.namespace, "s", labelled, manager="test")
    assert again.metadata.resource_version == second.metadata.resource_version


@on_both
async def test_field_selectors_select_by_call_runtime_pod_and_phase(door: Door) -> None:
    for name, call, pod_name in (("a", "c1", "p1"), ("b", "c1", "p2"), ("c", "c2", "p1")):
        await door.client.create(SESSIONS, door.namespace, session(name, spec={"callId": call}))
        await door.patch_status(name, podName=pod_name, phase="Running")

    async def selected(fields: str) -> list[str]:
        page = await door.client.list(SESSIONS, Selection(door.namespace, fields=fields))
        return [item.metadata.name for item in page.items]

    assert await selected("spec.callId=c1") == ["a", "b"]
    assert await selected("status.podName=p1") == ["a", "c"]
    assert await selected("status.podName=p1,spec.callId!=c1") == ["c"]
    assert await selected("spec.runtime=default,status.phase=Running,metadata.name=b") == ["b"]
    assert await selected("status.phase!=Running") == []


@on_both
async def test_field_that_is_not_selectable_is_400(door: Door) -> None:
    with pytest.raises(Refused, match=r"field label not supported: spec\.priority") as refused:
        await door.client.list(SESSIONS, Selection(door.namespace, fields="spec.priority=1"))
    assert refused.value.status == 400


@on_both
async def test_label_selectors_know_equality_sets_and_presence(door: Door) -> None:
    for name, labels in (("a", {"team": "x"}), ("b", {"team": "y", "busy": "true"}), ("c", {})):
        await door.create(name, labels=labels)

    async def selected(labels: str) -> list[str]:
        page = await door.client.list(SESSIONS, Selection(door.namespace, labels))
        return [item.metadata.name for item in page.items]

    assert await selected("team=x") == ["a"]
    assert await selected("team!=x") == ["b", "c"]
    assert await selected("team in (x,y),busy") == ["b"]
    assert await selected("!busy") == ["a", "c"]
    assert await selected("team notin (x, z)") == ["b", "c"]


@on_both
async def test_list_in_pages_shows_one_moment(door: Door) -> None:
    for name in ("a", "b", "c", "d", "e"):
        await door.create(name)
    selection, path = Selection(door.namespace), SESSIONS.path(door.namespace)
    status, first = await door.raw("GET", path, limit="2")
    assert (status, first["metadata"]["remainingItemCount"]) == (200, 3)
    await door.client.delete(SESSIONS, door.namespace, "d")
    await door.create("bb")
    names, token = [item["metadata"]["name"] for item in first["items"]], first["metadata"]["continue"]
    while token:
        page = await door.client.page(SESSIONS, selection, token)
        assert page.version == first["metadata"]["resourceVersion"]
        names, token = [*names, *(item.metadata.name for item in page.items)], page.token
    assert names == ["a", "b", "c", "d", "e"]
    now = await door.client.list(SESSIONS, selection)
    assert [item.metadata.name for item in now.items] == ["a", "b", "bb", "c", "e"]


@on_both
async def test_client_puts_pages_together(door: Door) -> None:
    wanted = [f"s-{number}" for number in range(7)]
    for name in wanted:
        await door.create(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "LIST_PAGE_OBJECTS", 3)
        page = await door.client.list(SESSIONS, Selection(door.namespace))
    assert [item.metadata.name for item in page.items] == wanted
    assert [request.query.get("limit") for request in door.transport.seen[-3:]] == ["3", "3", "3"]
    assert all("resourceVersion" not in request.query for request in door.transport.seen)


@on_fake
async def test_continue_token_that_has_grown_old_is_410_and_the_client_lists_again(door: Door) -> None:
    assert door.fake is not None
    for name in ("a", "b", "c", "d"):
        await door.create(name)
    _, first = await door.raw("GET", SESSIONS.path(door.namespace), limit="2")
    await door.client.delete(SESSIONS, door.namespace, "d")
    door.fake.compact()
    with pytest.raises(Expired):
        await door.client.page(SESSIONS, Selection(door.namespace), first["metadata"]["continue"])

    pages = 0
    send = door.transport.send

    async def forgetful(request: object, seconds: float) -> object:
        nonlocal pages
        answer = await send(request, seconds)  # type: ignore[arg-type]
        pages += 1
        if pages == 1:
            await door.raw("DELETE", SESSIONS.path(door.namespace, "a"))
            assert door.fake is not None
            door.fake.compact()
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "LIST_PAGE_OBJECTS", 2)
        patch.setattr(door.transport, "send", forgetful)
        page = await door.client.list(SESSIONS, Selection(door.namespace))
    assert [item.metadata.name for item in page.items] == ["b", "c"]


@on_both
async def test_patch_of_another_form_or_of_no_form_is_refused(door: Door) -> None:
    await door.create("s")
    path = SESSIONS.path(door.namespace, "s")
    assert (await door.raw("PATCH", path, {}, "application/json"))[0] == 415
    assert (await door.raw("PATCH", path, {"not": "a list"}, JSON_PATCH))[0] == 400
    assert (await door.raw("POST", SESSIONS.path(door.namespace), {"metadata": {"name": "x"}}))[0] == 400


@on_both
async def test_json_patch_that_does_not_apply_is_422_without_causes_but_replace_adds_what_is_missing(
    door: Door,
) -> None:
    await door.create("s")
    path = SESSIONS.path(door.namespace, "s", "status")
    for operation in (
        {"op": "remove", "path": "/status/podName"},
        {"op": "add", "path": "/status/effective/limits", "value": {}},
        {"op": "unknown", "path": "/status/epoch", "value": 1},
    ):
        status, body = await door.raw("PATCH", path, [operation], JSON_PATCH)
        assert (status, body["reason"], body.get("details", {})) == (422, "Invalid", {})
    replace = {"op": "replace", "path": "/status/epoch", "value": 2}
    status, body = await door.raw("PATCH", path, [replace], JSON_PATCH)
    assert (status, body["status"]["epoch"]) == (200, 2)


@on_both
async def test_put_needs_the_version_it_was_read_at(door: Door) -> None:
    await door.create("s")
    path = SESSIONS.path(door.namespace, "s")
    _, body = await door.raw("GET", path)
    body["metadata"]["labels"] = {"a": "b"}
    assert (await door.raw("PUT", path, body))[0] == 200
    assert (await door.raw("PUT", path, body))[0] == 409
    del body["metadata"]["resourceVersion"]
    status, answer = await door.raw("PUT", path, body)
    assert (status, answer["details"]["causes"][0]["field"]) == (422, "metadata.resourceVersion")


@on_both
async def test_lease_is_taken_over_only_at_the_version_it_was_read_at(door: Door) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "leader"},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 5, "renewTime": "2030-01-01T00:00:00.000000Z"},
    }
    made = await door.client.create(LEASES, door.namespace, lease)
    version = made.metadata.resource_version
    take = {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": "b", "leaseTransitions": 1}}
    await door.client.merge_patch(LEASES, door.namespace, "leader", take)
    with pytest.raises(Conflict):
        await door.client.merge_patch(LEASES, door.namespace, "leader", take)
    _, now = await door.raw("GET", LEASES.path(door.namespace, "leader"))
    assert (now["spec"]["holderIdentity"], now["spec"]["leaseTransitions"]) == ("b", 1)
    assert now["spec"]["renewTime"] == "2030-01-01T00:00:00.000000Z"
    bad = {"spec": {"leaseDurationSeconds": 0}}
    with pytest.raises(Invalid, match="must be greater than 0"):
        await door.client.merge_patch(LEASES, door.namespace, "leader", bad)


@on_both
async def test_pod_is_bound_once(door: Door) -> None:
    name = unique("pod")
    made = await door.client.create(PODS, door.namespace, pod(name))
    assert (made.status.phase, made.spec.node_name, made.spec.termination_grace_period_seconds) == ("Pending", "", 30)
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-1"},
    }
    path = PODS.path(door.namespace, name, "binding")
    assert (await door.raw("POST", path, binding))[0] == 201
    assert (await door.client.get(PODS, door.namespace, name)).spec.node_name == "node-1"
    status, body = await door.raw("POST", path, binding)
    assert (status, "already assigned to node" in body["message"]) == (409, True)
    page = await door.client.list(PODS, Selection(door.namespace, fields="spec.nodeName=node-1"))
    assert [item.metadata.name for item in page.items] == [name]


@on_both
async def test_status_of_a_pod_takes_labels_along_but_no_other_uid(door: Door) -> None:
    name = unique("pod")
    await door.client.create(PODS, door.namespace, pod(name))
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    patch = {"metadata": {"labels": {"a": "b"}}, "status": ready}
    written = await door.client.merge_patch(PODS, door.namespace, name, patch, subresource="status")
    assert (written.ready, written.metadata.labels) == (True, {"a": "b"})
    wrong = {"metadata": {"uid": "of-another"}, "status": {"phase": "Failed"}}
    with pytest.raises(Invalid, match=r"metadata\.uid"):
        await door.client.merge_patch(PODS, door.namespace, name, wrong, subresource="status")


@on_both
async def test_spec_of_a_pod_is_judged_and_cannot_be_changed(door: Door) -> None:
    body = pod("bad")
    del body["spec"]["containers"][0]["image"]
    with pytest.raises(Invalid) as refused:
        await door.client.dry_run_create(PODS, door.namespace, body)
    assert [cause.field for cause in refused.value.causes] == ["spec.containers[0].image"]
    name = unique("pod")
    await door.client.create(PODS, door.namespace, pod(name))
    with pytest.raises(Invalid, match="pod updates may not change fields"):
        await door.client.merge_patch(PODS, door.namespace, name, {"spec": {"nodeName": "node-1"}})


@on_both
async def test_event_is_written(door: Door) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "s-"},
        "involvedObject": {"kind": "AgentSession", "name": "s", "namespace": door.namespace},
        "reason": "Scheduled",
        "message": "bound",
        "type": "Normal",
    }
    made = await door.client.create(EVENTS, door.namespace, body)
    assert made.metadata.name.startswith("s-")


@on_both
async def test_nothing_new_in_a_namespace_that_is_being_deleted(door: Door) -> None:
    assert (await door.raw("DELETE", f"/api/v1/namespaces/{door.namespace}"))[0] == 200
    status, body = await door.raw("POST", SESSIONS.path(door.namespace), session("late"))
    assert (status, body["reason"]) == (403, "Forbidden")
    assert "because it is being terminated" in body["message"]
    [cause] = body["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("NamespaceTerminating", "metadata.namespace")


@on_both
async def test_merge_patch_drops_nulls_that_meet_nothing(door: Door) -> None:
    await door.create("s")
    status = {"effective": {"limits": {"maxDurationSeconds": 60, "idleTimeoutSeconds": None}}}
    _, body = await door.raw("PATCH", SESSIONS.path(door.namespace, "s", "status"), {"status": status}, MERGE_PATCH)
    assert body["status"]["effective"] == {"limits": {"maxDurationSeconds": 60}}
