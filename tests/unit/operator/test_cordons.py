"""Pods of nodes that `kubectl cordon` has closed, as planning sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.unit.operator.test_fleet import deleted, seen
from tests.unit.operator.worlds import NOW, TEMPLATE, fleet, pod, session, snapshot

from greenroom_core.model.pod import Pod, PodSpec
from greenroom_core.model.runtime import RuntimeStatus
from greenroom_operator.planning.cordons import cordoned
from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.fleet import plan_fleet
from greenroom_operator.planning.fleet_snapshot import FleetSnapshot
from greenroom_operator.planning.fleet_status import fleet_status
from greenroom_operator.planning.size import Size
from greenroom_operator.planning.values import Bind, Fleet, Snapshot

CLOSED = frozenset({"closed"})


def on(node: str, of: Pod) -> Pod:
    return msgspec.structs.replace(of, spec=PodSpec(node_name=node))


def whose_pods_are(**spec: Any) -> Fleet:
    """A fleet with more in the spec of its template."""
    plain = fleet()
    template = {"spec": {**TEMPLATE["spec"], **spec}}
    changed = msgspec.structs.replace(plain.runtime.spec, template=template)
    return replace(plain, runtime=msgspec.structs.replace(plain.runtime, spec=changed))


def bound_to(world: Snapshot) -> list[str]:
    return [action.pod.metadata.name for action in plan(world).actions if isinstance(action, Bind)]


def with_closed(world: FleetSnapshot) -> FleetSnapshot:
    return replace(world, cordoned_nodes=CLOSED)


def test_no_session_is_bound_to_a_pod_of_a_cordoned_node() -> None:
    here, there = on("closed", pod("here")), on("open", pod("there", busy=True, age=1.0))
    world = replace(snapshot([session()], [here, there], of=fleet()), cordoned_nodes=CLOSED)
    assert bound_to(world) == ["there"]
    assert bound_to(replace(world, pods={here.metadata.uid: here})) == []
    assert bound_to(replace(world, pods={here.metadata.uid: here}, cordoned_nodes=frozenset())) == ["here"]


def test_a_session_that_one_pod_alone_may_run_waits_while_its_node_is_cordoned() -> None:
    here = on("closed", pod("here"))
    world = replace(snapshot([session(spec={"pod_name": "here"})], [here], of=fleet()), cordoned_nodes=CLOSED)
    assert bound_to(world) == []
    assert bound_to(replace(world, cordoned_nodes=frozenset())) == ["here"]


def test_pods_of_a_cordoned_node_are_replaced_at_once_and_leave_when_empty() -> None:
    held = on("closed", pod("held"))
    empty = on("closed", pod("empty", busy=False))
    going = plan_fleet(
        with_closed(seen(held, empty, on("open", pod("c")), of=fleet(replicas=3), sessions={"uid-held": 1}))
    )
    assert (going.create, deleted(going)) == (2, ["empty"])


def test_a_fleet_without_its_runtime_loses_them_like_all_others() -> None:
    gone = plan_fleet(with_closed(seen(on("closed", pod("a", busy=False)), on("open", pod("b", busy=False)), of=None)))
    assert sorted(deleted(gone)) == ["a", "b"]


def test_an_uncordoned_node_s_pods_count_again_and_those_too_many_go() -> None:
    old, instead = on("closed", pod("old")), pod("instead", busy=False, ready=False, age=1.0)
    away = plan_fleet(with_closed(seen(old, instead, of=fleet(replicas=1), sessions={"uid-old": 1})))
    assert (away.create, deleted(away)) == (0, [])
    back = plan_fleet(seen(old, instead, of=fleet(replicas=1), sessions={"uid-old": 1}))
    assert (back.create, deleted(back)) == (0, ["instead"])


def test_their_slots_are_not_shown_as_free() -> None:
    of = fleet(replicas=2)
    world = with_closed(seen(on("closed", pod("a", slots=3)), on("open", pod("b", slots=3)), of=of))
    status = fleet_status(world, of, Size(2), RuntimeStatus(), 0, NOW)
    assert (status.slots, status.free_slots) == (6, 3)


@pytest.mark.parametrize(
    ("spec", "counts"),
    [
        ({}, True),
        ({"nodeName": ""}, True),
        ({"nodeName": "closed"}, False),
        ({"tolerations": None}, True),
        ({"tolerations": 5}, True),
        ({"tolerations": [{"operator": "Exists"}]}, False),
        ({"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]}, False),
        ({"tolerations": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}, False),
        ({"tolerations": [{"key": "node.kubernetes.io/unschedulable", "value": "no"}]}, True),
        (
            {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoExecute"}]},
            True,
        ),
        ({"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]}, True),
    ],
)
def test_pods_that_may_come_to_a_cordoned_node_anyway_are_let_be(spec: dict[str, Any], counts: bool) -> None:
    """Their replacements would land there again, and be replaced, without end."""
    assert cordoned(on("closed", pod()), whose_pods_are(**spec), CLOSED) is counts
    assert cordoned(on("closed", pod(cordoned=True)), whose_pods_are(**spec), CLOSED), "by its own annotation, always"
    assert not cordoned(on("open", pod()), whose_pods_are(**spec), CLOSED)
