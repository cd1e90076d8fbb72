"""What a rollout is judged by: how the newest revision's sessions fared at their start."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.worlds import KEY, NOW, ago, fleet, pod, session

from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_operator.planning.attempts import Attempts
from greenroom_operator.planning.fleet import plan_fleet
from greenroom_operator.planning.fleet_snapshot import FleetSnapshot
from greenroom_operator.planning.placement import Rooms
from greenroom_operator.planning.trial import Trial
from greenroom_operator.state.ledger import Ledger
from greenroom_operator.state.trials import Trials

BOUND = {"phase": Phase.SCHEDULED, "revision": "r1", "attempt": 1}
RUNNING = {**BOUND, "phase": Phase.RUNNING, "started_at": ago(4)}
FAILED = {**BOUND, "phase": Phase.FAILED, "reason": EndReason.AGENT_ERROR, "message": "no key", "ended_at": ago(1)}


def judged(*lives: list[dict[str, Any]]) -> Trial:
    trials = Trials()
    for number, life in enumerate(lives):
        before = None
        for status in life:
            after = session(f"s{number}", **status)
            trials.observe(KEY, before, after)
            before = after
    return trials.of(KEY, "r1")


@pytest.mark.parametrize(
    ("life", "trial"),
    [
        ([BOUND], Trial()),
        ([BOUND, RUNNING], Trial(1, 0)),
        ([BOUND, RUNNING, {**RUNNING, "joined_at": ago(1)}], Trial(1, 0)),
        ([BOUND, FAILED], Trial(0, 1, "no key")),
        ([BOUND, FAILED, FAILED], Trial(0, 1, "no key")),
        ([{**FAILED, "reason": EndReason.INVALID_SPEC}], Trial()),
        ([BOUND, RUNNING, {**FAILED, "started_at": ago(4)}], Trial(1, 0)),
        ([RUNNING, {**RUNNING, "attempt": 2}], Trial(2, 0)),
        ([{"phase": Phase.FAILED, "reason": EndReason.START_TIMEOUT, "revision": "r0"}], Trial()),
    ],
    ids=["bound", "started", "once", "failed", "failed once", "the caller's fault", "later", "again", "another's"],
)
def test_each_start_is_counted_once(life: list[dict[str, Any]], trial: Trial) -> None:
    assert judged(life) == trial


@pytest.mark.parametrize(
    ("started", "failed", "proven", "failing"),
    [(0, 0, False, False), (1, 0, True, False), (0, 2, False, False), (0, 3, False, True), (3, 3, True, False)],
)
def test_it_takes_three_failures_and_more_than_half(started: int, failed: int, proven: bool, failing: bool) -> None:
    trial = Trial(started, failed)
    assert (trial.proven, trial.failing) == (proven, failing)


def test_only_what_changes_who_serves_is_news() -> None:
    trials = Trials()
    lives = [*(FAILED for _ in range(4)), *(RUNNING for _ in range(4))]
    news = [trials.observe(KEY, None, session(f"s{number}", **life)) for number, life in enumerate(lives)]
    assert news == [False, False, True, False, False, False, False, True]


def test_only_the_newest_revision_is_on_trial() -> None:
    trials = Trials()
    trials.observe(KEY, None, session(**RUNNING))
    trials.keep_only(KEY, "r2")
    assert trials.of(KEY, "r1") == Trial()


def test_older_pods_serve_while_the_newest_revision_fails() -> None:
    rooms = [pod("new"), pod("old", revision="older")]
    for failing, name in ((False, "new"), (True, "old")):
        taken = Rooms(fleet(), rooms, Ledger(), failing=failing).take(session())
        assert taken is not None
        assert taken.metadata.name == name
    alone = Rooms(fleet(), rooms[:1], Ledger(), failing=True).take(session())
    assert alone is not None, "better than none"


def rolling(trial: Trial) -> tuple[int, list[str]]:
    pods = [pod("new", busy=False), *(pod(f"old{n}", busy=False, revision="older") for n in range(2))]
    world = FleetSnapshot(
        now=1.0,
        wall=NOW,
        fleet=fleet(replicas=2, surge=2),
        pods=pods,
        sessions={},
        empty_since={},
        being_made=0,
        attempts=Attempts(),
        template_error="",
        trial=trial,
    )
    plan = plan_fleet(world)
    return plan.create, sorted(item.metadata.name for item in plan.delete)


def test_a_rollout_keeps_the_old_pods_until_the_revision_is_proven_and_stops_when_it_fails() -> None:
    assert rolling(Trial()) == (1, [])
    assert rolling(Trial(started=1)) == (1, ["old1"]), "as far as new ones stand in"
    assert rolling(Trial(failed=3)) == (0, [])
