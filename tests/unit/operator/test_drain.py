"""An AgentRuntime that is deleted: what is planned until its last pod is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.operator.test_fleet import deleted, seen
from tests.unit.operator.worlds import KEY, NOW, fleet, pod, session, snapshot

from greenroom_core.model import names
from greenroom_core.model.meta import find
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason, WaitReason
from greenroom_core.model.runtime import Autoscaling, RuntimeStatus
from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.drain import Hold
from greenroom_operator.planning.fleet import plan_fleet
from greenroom_operator.planning.fleet_status import fleet_status
from greenroom_operator.planning.size import Size
from greenroom_operator.planning.trial import Trial
from greenroom_operator.planning.values import Bind, WriteStatus

if TYPE_CHECKING:
    from greenroom_core.model.pod import Pod


class TestTheFinalizer:
    def test_stands_before_the_first_pod_is_made(self) -> None:
        before = plan_fleet(seen(of=fleet(held=False, replicas=2)))
        assert (before.hold, before.create) == (Hold.PUT_ON, 0)
        after = plan_fleet(seen(of=fleet(replicas=2)))
        assert (after.hold, after.create) == (None, 2)

    def test_is_not_put_where_no_pod_will_be(self) -> None:
        assert plan_fleet(seen(of=fleet(held=False, replicas=0))).hold is None
        assert plan_fleet(seen(of=fleet(held=False), template_error="no such field")).hold is None
        assert plan_fleet(seen(of=fleet(held=False), template_error=None)).hold is None

    def test_is_put_over_pods_that_are_there_already(self) -> None:
        assert plan_fleet(seen(pod(), of=fleet(held=False))).hold is Hold.PUT_ON

    def test_cannot_be_put_on_what_is_deleted_already(self) -> None:
        assert plan_fleet(seen(pod(), of=fleet(held=False, deleting=True))).hold is None

    @pytest.mark.parametrize("left", [pod(), pod(phase="Failed"), pod(leaving_for=5), pod(cordoned=True)])
    def test_stays_while_any_pod_does(self, left: Pod) -> None:
        assert plan_fleet(seen(left, of=fleet(deleting=True))).hold is None

    def test_stays_while_a_pod_may_still_come(self) -> None:
        assert plan_fleet(seen(of=fleet(deleting=True), being_made=1)).hold is None

    def test_comes_off_after_the_last_pod(self) -> None:
        assert plan_fleet(seen(of=fleet(deleting=True))).hold is Hold.TAKE_OFF

    def test_others_ones_are_not_ours_to_wait_for(self) -> None:
        assert plan_fleet(seen(of=fleet(deleting=True, held=False))).hold is None
        assert plan_fleet(seen(of=None)).hold is None


class TestItsPods:
    def test_none_is_made_however_many_wait(self) -> None:
        of = fleet(deleting=True, scaling=Autoscaling(min_pods=3, max_pods=5))
        planned = plan_fleet(seen(of=of, waiting=9))
        assert (planned.create, planned.size.pods) == (0, 0)

    def test_empty_ones_go_at_once_and_those_with_a_call_stay(self) -> None:
        pods = [pod("idle", busy=False), pod("talks"), pod("old", busy=False, revision="r0"), pod("emptied")]
        world = seen(
            *pods, of=fleet(deleting=True), sessions={"uid-talks": 1}, empty_since={"uid-emptied": 1000.0}, now=1000.0
        )
        planned = plan_fleet(world)
        assert sorted(deleted(planned)) == ["idle", "old"]
        assert [item.metadata.name for item in planned.unlabel] == ["emptied"], "no minute's wait: nothing will come"

    def test_a_rollout_that_has_stopped_keeps_none(self) -> None:
        failing = Trial(started=0, failed=5)
        assert failing.failing
        world = seen(pod("old", busy=False, revision="r0"), of=fleet(deleting=True), trial=failing)
        assert deleted(plan_fleet(world)) == ["old"]

    def test_the_status_says_how_many_sessions_it_waits_for(self) -> None:
        of = fleet(deleting=True)
        world = seen(pod("a", slots=3), of=of, sessions={"uid-a": 2})
        status = fleet_status(world, of, Size(0), RuntimeStatus(), pending=0, now=NOW)
        found = find(status.conditions, "Progressing")
        assert found is not None
        assert (found.reason, found.status) == ("Deleting", "True")
        assert found.message == "takes no new session, and goes when its last call ends: 2 sessions to go"
        assert status.free_slots == 0, "none that a session could have"
        empty = fleet_status(seen(pod("a"), of=of), of, Size(0), RuntimeStatus(), pending=0, now=NOW)
        assert find(empty.conditions, "Progressing") is not None
        assert "no session is left; 1 pod to go" in {condition.message for condition in empty.conditions}


class TestItsSessions:
    def test_none_is_bound_to_its_free_slots(self) -> None:
        planned = plan(snapshot([session(age=0.5)], [pod()], of=fleet(deleting=True)))
        assert planned.actions == ()
        assert planned.short.get(KEY, 0) == 0, "the fleet does not grow for it"
        taken = plan(snapshot([session(age=0.5)], [pod()], of=fleet()))
        assert any(isinstance(action, Bind) for action in taken.actions)

    def test_not_even_to_the_pod_that_it_names(self) -> None:
        planned = plan(snapshot([session(age=0.5, spec={"pod_name": "p1"})], [pod()], of=fleet(deleting=True)))
        assert not [action for action in planned.actions if isinstance(action, Bind)]

    def test_those_that_wait_show_why(self) -> None:
        [shown] = plan(snapshot([session(age=3)], [pod()], of=fleet(deleting=True))).actions
        assert isinstance(shown, WriteStatus)
        [condition] = shown.fields["conditions"]
        assert condition.reason == WaitReason.RUNTIME_DELETING.value
        assert condition.message == "AgentRuntime 'default' is being deleted and takes no new session"

    def test_and_end_at_their_start_deadline(self) -> None:
        [ended] = plan(snapshot([session(age=61)], [pod()], of=fleet(deleting=True))).actions
        assert isinstance(ended, WriteStatus)
        assert ended.fields["reason"] == EndReason.START_DEADLINE
        assert "is being deleted" in ended.fields["message"]

    def test_a_live_one_is_left_alone(self) -> None:
        live = session(phase=Phase.RUNNING, pod_name="p1", pod_uid="uid-p1", attempt=1)
        assert plan(snapshot([live], [pod()], of=fleet(deleting=True))).actions == ()


def test_the_name_is_what_the_documents_say() -> None:
    assert names.DRAIN == "greenroom.dev/drain"
