"""Why a session waits for a slot, in the words that `kubectl describe` shows."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from tests.unit.operator.worlds import NOW, fleet, session, snapshot

from greenroom_core.model.meta import Condition, ConditionStatus
from greenroom_core.model.reasons import EndReason, WaitReason
from greenroom_core.model.runtime import PROGRESSING, Autoscaling, RuntimeStatus
from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.shortage import shortage
from greenroom_operator.planning.values import Fleet, WriteStatus

START = "no ready pod of AgentRuntime 'default' has a free slot: "


def with_status(of: Fleet, reason: str = "Complete", message: str = "", **figures: Any) -> Fleet:
    good = ConditionStatus.TRUE if reason in ("Complete", "RollingOut", "Creating") else ConditionStatus.FALSE
    shown = Condition(type=PROGRESSING, status=good, reason=reason, message=message, last_transition_time=NOW)
    status = RuntimeStatus(conditions=(shown,), **figures)
    return Fleet(structs.replace(of.runtime, status=status), of.revision)


SCALED = fleet(scaling=Autoscaling(max_pods=3))


@pytest.mark.parametrize(
    ("of", "reason", "text"),
    [
        (fleet(replicas=0), "NoFreeSlot", "its replicas is 0"),
        (fleet(scaling=Autoscaling(max_pods=0)), "NoFreeSlot", "its maxPods is 0"),
        (with_status(fleet(replicas=1), pods=1, ready_pods=1), "NoFreeSlot", "its one pod is full"),
        (with_status(SCALED, pods=3, ready_pods=3), "NoFreeSlot", "all of its 3 pods are full"),
        (with_status(SCALED, pods=2, ready_pods=1), "NoFreeSlot", "1 of its pods are ready, and it may come to 3"),
        (with_status(SCALED, pods=2, ready_pods=2), "NoFreeSlot", "2 of its pods are ready, and it may come to 3"),
        (
            with_status(SCALED, "PodsNotStarting", "pod p: ErrImagePull: no such image", pods=1),
            "PodsNotStarting",
            "PodsNotStarting: pod p: ErrImagePull: no such image",
        ),
        (with_status(SCALED, "PodsRefused", "exceeded quota"), "PodsNotStarting", "PodsRefused: exceeded quota"),
        (with_status(SCALED, "TemplateInvalid", "no image"), "PodsNotStarting", "TemplateInvalid: no image"),
        (with_status(SCALED, "SessionsFailing", "3 of 3"), "NoFreeSlot", "SessionsFailing: 3 of 3"),
    ],
)
def test_the_cause_is_told_as_far_as_the_fleets_status_knows_it(of: Fleet, reason: str, text: str) -> None:
    assert shortage(of.runtime) == (reason, START + text)


def test_a_long_story_is_cut() -> None:
    assert len(shortage(with_status(SCALED, "TemplateInvalid", "x" * 2000).runtime)[1]) == 600


def written(of: Fleet, age: float) -> WriteStatus:
    [write] = [one for one in plan(snapshot([session(age=age)], of=of)).actions if isinstance(one, WriteStatus)]
    return write


def test_a_session_shows_it_while_it_waits_and_when_it_has_waited_in_vain() -> None:
    broken = with_status(fleet(), "PodsNotStarting", "pod p: ErrImagePull: no such image", pods=1)
    waiting = written(broken, age=5).fields["conditions"][0]
    assert (waiting.reason, waiting.message) == (WaitReason.PODS_NOT_STARTING, shortage(broken.runtime)[1])
    end = written(broken, age=100).fields
    assert end["reason"] == EndReason.START_DEADLINE
    assert end["message"] == f"no slot in 60 s: {shortage(broken.runtime)[1]}"
