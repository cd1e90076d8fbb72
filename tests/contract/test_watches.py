"""Watches: what they say, in which order, and how they end."""

from __future__ import annotations

import pytest
from tests.contract.door import Door, Events, on_both, on_fake, session, unique
from tests.contract.test_status_writes import NOTES, notes_crd

from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import Expired
from greenroom_core.kube.kinds import NODES, SESSIONS, loose
from greenroom_core.model.names import LEAVE_CALL

SESSIONS_META = loose(SESSIONS.base, SESSIONS.plural)


@on_both
async def test_watch_tells_a_life_in_order(door: Door) -> None:
    async with door.watching() as events:
        made = await door.create("one")
        await door.patch_status("one", phase="Running")
        await door.client.delete(SESSIONS, door.namespace, "one")
        seen = [await events.next() for _ in range(3)]
    assert [type_ for type_, _ in seen] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(body["metadata"]["resourceVersion"]) for _, body in seen]
    assert versions == sorted(set(versions))
    assert versions[0] == made.metadata.version
    assert "deletionTimestamp" not in seen[2][1]["metadata"]


@on_both
async def test_session_that_moves_away_looks_deleted_to_a_selector_watch_with_its_old_body(door: Door) -> None:
    await door.create("moving")
    async with door.watching(fields="status.podName=p1") as events:
        bound = await door.patch_status("moving", podName="p1", phase="Running")
        moved = await door.patch_status("moving", podName="p2", phase="Scheduled")
        (first, added), (second, gone) = await events.next(), await events.next()
    assert (first, added["metadata"]["resourceVersion"]) == ("ADDED", bound.metadata.resource_version)
    assert (second, gone["metadata"]["resourceVersion"]) == ("DELETED", moved.metadata.resource_version)
    assert gone["status"] == {"phase": "Running", "podName": "p1"}
    assert "deletionTimestamp" not in gone["metadata"]
    assert (await door.get("moving")).status.pod_name == "p2"


@on_both
async def test_session_whose_pod_is_cleared_looks_deleted_to_a_selector_watch_with_its_old_body(door: Door) -> None:
    await door.create("returned")
    await door.patch_status("returned", podName="p1", phase="Scheduled")
    async with door.watching(fields="status.podName=p1") as events:
        back = await door.patch_status("returned", podName=None, phase="Pending")
        type_, gone = await events.next()
    assert (type_, gone["metadata"]["resourceVersion"]) == ("DELETED", back.metadata.resource_version)
    assert gone["status"] == {"phase": "Scheduled", "podName": "p1"}


@on_both
async def test_watch_of_what_has_no_pod_yet_loses_a_session_at_its_bind_and_keeps_one_that_ends_unbound(
    door: Door,
) -> None:
    """The absent field counts as the empty text, together with a label, too."""
    async with door.watching(fields="status.podName=", labels="team=a") as events:
        await door.create("other")
        for name in ("bound", "refused"):
            await door.create(name, labels={"team": "a"})
        await door.patch_status("refused", phase="Failed")
        await door.patch_status("bound", podName="p1", podUID="u1", phase="Scheduled")
        seen = [await events.next() for _ in range(4)]
    assert [(type_, body["metadata"]["name"], body["status"]["phase"]) for type_, body in seen] == [
        ("ADDED", "bound", "Pending"),
        ("ADDED", "refused", "Pending"),
        ("MODIFIED", "refused", "Failed"),
        ("DELETED", "bound", "Pending"),
    ]
    page = await door.client.list(SESSIONS, Selection(door.namespace, fields="status.podName=", labels="team=a"))
    assert [item.metadata.name for item in page.items] == ["refused"]


@on_both
async def test_a_watch_of_cordoned_nodes_gets_one_at_its_cordon_and_loses_it_at_its_uncordon(door: Door) -> None:
    name, other = unique("node"), unique("node")
    for node in (name, other):
        await door.client.create(NODES, None, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
    cordoned = Selection(fields="spec.unschedulable=true")
    page = await door.client.list(NODES, cordoned)
    assert not {name, other} & {node.metadata.name for node in page.items}
    async with door.client.watch(NODES, cordoned, page.version) as stream:
        events = Events(stream, door.clock)
        for closed in (True, False):
            await door.client.merge_patch(NODES, None, name, {"spec": {"unschedulable": closed}})
        seen = [await events.next() for _ in range(2)]
    assert [(type_, body["metadata"]["name"]) for type_, body in seen] == [("ADDED", name), ("DELETED", name)]
    open_nodes = await door.client.list(NODES, Selection(fields="spec.unschedulable=false"))
    assert {name, other} <= {node.metadata.name for node in open_nodes.items}


@on_both
async def test_selector_watch_is_told_that_its_session_is_being_deleted(door: Door) -> None:
    await door.create("leaving", finalizers=[LEAVE_CALL])
    await door.patch_status("leaving", podName="p1")
    async with door.watching(fields="status.podName=p1") as events:
        await door.client.delete(SESSIONS, door.namespace, "leaving")
        type_, body = await events.next()
    assert type_ == "MODIFIED"
    assert body["metadata"]["deletionTimestamp"]


@on_both
async def test_label_selector_watch_sees_an_object_come_and_go_with_its_label(door: Door) -> None:
    await door.create("labelled")
    async with door.watching(labels="team=a") as events:
        for labels in ({"team": "a"}, {"team": "b"}):
            await door.client.merge_patch(SESSIONS, door.namespace, "labelled", {"metadata": {"labels": labels}})
        seen = [await events.next(), await events.next()]
    assert [(type_, body["metadata"]["labels"]) for type_, body in seen] == [
        ("ADDED", {"team": "a"}),
        ("DELETED", {"team": "a"}),
    ]


@on_both
async def test_watch_from_a_list_misses_nothing_that_came_in_between(door: Door) -> None:
    version = await door.version(SESSIONS)
    await door.create("between")
    async with door.watching(version=version) as events:
        type_, body = await events.next()
    assert (type_, body["metadata"]["name"]) == ("ADDED", "between")


@on_both
async def test_watch_from_a_forgotten_version_ends_with_an_error_event_410(door: Door) -> None:
    await door.create("one")
    async with door.client.watch(SESSIONS, Selection(door.namespace), "1") as stream:
        with pytest.raises(Expired, match="too old resource version"):
            await anext(stream)


async def bookmarks(door: Door, *, something_happens: bool) -> list[int]:
    """The versions of the bookmarks of a watch of 4 s to which no event is due."""
    version = await door.version(SESSIONS)
    client, found = door.new_client(watch_seconds=4), []
    async with client.watch(SESSIONS, Selection(door.namespace, fields="status.podName=p1"), version) as stream:
        if something_happens:
            await door.create()
        async for event in stream:
            assert event.type == "BOOKMARK"
            found.append(SESSIONS_META.decoder.decode(event.object).metadata.version)
    assert all(number > int(version) for number in found)
    return found


@on_both
async def test_bookmark_before_the_end_of_a_watch_tells_of_a_version_that_brought_no_event(door: Door) -> None:
    assert await bookmarks(door, something_happens=True)


@on_fake
async def test_watch_of_a_resource_to_which_nothing_happens_ends_without_a_bookmark(door: Door) -> None:
    assert await bookmarks(door, something_happens=False) == []


@on_both
async def test_update_of_the_definition_ends_watches_and_lists_work_again_soon(door: Door) -> None:
    crd = notes_crd()
    await door.install(crd)
    async with door.clock.timeout(20), door.watching(NOTES) as events:
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = f"of {door.namespace}"
        if door.fake is not None:
            door.fake.crd_updated("notes")
        else:
            await door.install(crd)
        with pytest.raises(StopAsyncIteration):
            await events.next()
    assert (await door.client.list(NOTES, Selection(door.namespace))).items == []


@on_fake
async def test_list_right_after_an_update_of_the_definition_is_429(door: Door) -> None:
    assert door.fake is not None
    door.fake.crd_updated("agentsessions", seconds=1.0)
    status, body = await door.raw("GET", SESSIONS.path(door.namespace))
    assert (status, body["message"]) == (429, "storage is (re)initializing")
    begun = door.clock.boot()
    assert (await door.client.list(SESSIONS, Selection(door.namespace))).items == []
    assert 1.0 <= door.clock.boot() - begun < 4.0


@on_both
async def test_watch_without_a_version_begins_with_everything(door: Door) -> None:
    await door.create("one")
    await door.create("two")
    async with door.client.watch(SESSIONS, Selection(door.namespace), "") as stream:
        names = set()
        async for event in stream:
            names.add((event.type, SESSIONS.decoder.decode(event.object).metadata.name))
            if len(names) == 2:
                break
    assert names == {("ADDED", "one"), ("ADDED", "two")}


@on_both
async def test_watch_of_one_namespace_hears_nothing_of_another(door: Door) -> None:
    if door.fake is not None:
        door.fake.add_namespace("elsewhere")
    else:
        assert door.plane is not None
        await door.plane.ensure_namespace("elsewhere")
    async with door.watching() as events:
        await door.client.create(SESSIONS, "elsewhere", session("there"))
        await door.client.delete(SESSIONS, "elsewhere", "there")
        await door.create("here")
        _, body = await events.next()
    assert body["metadata"]["name"] == "here"
