"""What an agent has left stays in the status from attempt to attempt, and goes with the session's end."""

from __future__ import annotations

from tests.unit.operator.worlds import NOW, pod, session

from greenroom_core.model.reasons import EndReason, WaitReason
from greenroom_core.model.recovery import last_attempt
from greenroom_core.model.session import Checkpoint
from greenroom_operator.planning import status

LEFT = Checkpoint(state='{"said":"one"}', attempt=1)


def test_the_operator_s_end_takes_it_away() -> None:
    ending = (EndReason.START_DEADLINE, "no slot", 1, NOW)
    assert status.end(session(checkpoint=LEFT, attempt=1), *ending)["checkpoint"] is None
    assert "checkpoint" not in status.end(session(), *ending)


def test_no_other_write_of_the_operator_touches_it() -> None:
    waiting = session(checkpoint=LEFT, attempt=1)
    record = last_attempt(waiting.status, WaitReason.POD_LOST, "pod pod-1 was lost", NOW)
    for fields in (
        status.bind(waiting, pod(), None, 1, NOW),
        status.take_back(waiting, record, 1),
        status.wait(waiting, WaitReason.NO_FREE_SLOT, "no slot", NOW),
    ):
        assert "checkpoint" not in fields
