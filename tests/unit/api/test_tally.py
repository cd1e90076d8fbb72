"""The count of sessions that hold a place is, after any history, what a fresh count would give."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from greenroom_api.cluster.tally import Tally
from greenroom_api.cluster.verdicts import holds_a_place
from greenroom_core.kube.feed import Change
from greenroom_core.model.meta import Condition, ConditionStatus, ObjectMeta
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import WaitReason
from greenroom_core.model.session import SCHEDULED, AgentSession, SessionSpec, SessionStatus

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@st.composite
def sessions(draw: st.DrawFn) -> AgentSession:
    reason = draw(st.none() | st.sampled_from(WaitReason))
    conditions = (
        (Condition(type=SCHEDULED, status=ConditionStatus.FALSE, reason=reason, last_transition_time=NOW),)
        if reason is not None
        else ()
    )
    return AgentSession(
        metadata=ObjectMeta(deletion_timestamp=draw(st.sampled_from([None, NOW]))),
        spec=SessionSpec(call_id="c", runtime="r"),
        status=SessionStatus(
            phase=draw(st.sampled_from(Phase)),
            pod_uid=draw(st.sampled_from([None, "u"])),
            conditions=conditions,
        ),
    )


@given(st.lists(st.tuples(st.integers(0, 4), st.none() | sessions()), max_size=40))
def test_after_any_history_the_tally_is_a_fresh_count(history: list[tuple[int, AgentSession | None]]) -> None:
    tally = Tally()
    present: dict[int, AgentSession] = {}
    for uid, new in history:
        old = present.pop(uid, None)
        if new is not None:
            present[uid] = new
        tally.changed(Change(old, new))
    fresh = sum(holds_a_place(session) for session in present.values())
    assert Counter({"r": fresh}) == tally._by_runtime
    assert tally._by_call == ({("r", "c"): fresh} if fresh else {})


@given(sessions())
def test_nothing_that_may_vanish_unbound_holds_a_place(session: AgentSession) -> None:
    if session.ended or (session.status.pod_uid is None and session.deleting):
        assert not holds_a_place(session)
    elif session.status.pod_uid is not None:
        assert holds_a_place(session)
