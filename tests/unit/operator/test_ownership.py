"""Nothing is adopted: a pod that only carries our label, and one made for an AgentRuntime that is no more."""

from __future__ import annotations

import pytest
from tests.unit.operator.test_fleet import deleted, seen
from tests.unit.operator.worlds import NOW, fleet, pod, session, snapshot

from greenroom_core.model.pod import Pod
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.runtime import RuntimeStatus
from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.fleet import finished_to_delete, plan_fleet
from greenroom_operator.planning.fleet_status import fleet_status
from greenroom_operator.planning.size import Size
from greenroom_operator.planning.values import Bind, Fleet, WriteStatus

STRANGER = pod("stranger", owner=None, busy=False)
LEFT_OVER = pod("left-over", owner="uid-of-the-one-before", busy=False)


@pytest.mark.parametrize("of", [None, fleet(), fleet(deleting=True)], ids=["no runtime", "a runtime", "a leaving one"])
def test_a_stranger_is_never_deleted_nor_unlabelled(of: Fleet | None) -> None:
    finished = [pod(f"f{n}", owner=None, phase="Failed", age=n) for n in range(3)]
    labelled = pod("labelled", owner=None, revision="old")
    planned = plan_fleet(seen(STRANGER, labelled, *finished, of=of, empty_since={"uid-labelled": 0.0}))
    assert (planned.delete, planned.unlabel) == ((), ())
    assert finished_to_delete(finished) == []


def test_a_stranger_stands_in_for_no_pod() -> None:
    planned = plan_fleet(seen(STRANGER, of=fleet(replicas=2)))
    assert planned.create == 2
    status = fleet_status(seen(STRANGER, of=fleet()), fleet(), Size(1), RuntimeStatus(), pending=0, now=NOW)
    assert (status.pods, status.ready_pods, status.slots, status.free_slots) == (0, 0, 0, 0)


@pytest.mark.parametrize("unfit", [STRANGER, LEFT_OVER], ids=lambda one: one.metadata.name)
def test_no_session_is_bound_to_it(unfit: Pod) -> None:
    assert not [one for one in plan(snapshot([session()], [unfit], of=fleet())).actions if isinstance(one, Bind)]
    both = plan(snapshot([session()], [unfit, pod("ours")], of=fleet())).actions
    assert [one.pod.metadata.name for one in both if isinstance(one, Bind)] == ["ours"]


def test_a_session_that_names_a_stranger_is_told_so() -> None:
    asked = session(spec={"pod_name": "stranger"})
    [end] = [one for one in plan(snapshot([asked], [STRANGER], of=fleet())).actions if isinstance(one, WriteStatus)]
    assert end.fields["reason"] == EndReason.INVALID_SPEC


def test_pods_of_a_runtime_that_had_the_name_before_are_replaced_and_leave_when_empty() -> None:
    in_use = pod("in-use", owner="uid-of-the-one-before", busy=True)
    planned = plan_fleet(seen(LEFT_OVER, in_use, of=fleet(replicas=2), sessions={"uid-in-use": 1}))
    assert planned.create == 2
    assert deleted(planned) == ["left-over"]
