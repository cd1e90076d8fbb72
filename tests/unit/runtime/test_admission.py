"""What a pod does with a session: state in, decision out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from greenroom.runtime.admission import Admission, PodState, admission
from greenroom_core.model import names
from greenroom_core.model.meta import ObjectMeta
from greenroom_core.model.phases import Phase
from greenroom_core.model.session import AgentSession, SessionSpec, SessionStatus

HERE = PodState(uid="here", free_slots=1, warm=True, draining=False)
FULL = PodState(uid="here", free_slots=0, warm=True, draining=False)
COLD = PodState(uid="here", free_slots=1, warm=False, draining=False)
LEAVING = PodState(uid="here", free_slots=1, warm=True, draining=True)
COLD_AND_LEAVING = PodState(uid="here", free_slots=1, warm=False, draining=True)


def session(
    phase: Phase = Phase.SCHEDULED, uid: str | None = "here", attempt: int = 1, close: str = "", deleting: bool = False
) -> AgentSession:
    return AgentSession(
        metadata=ObjectMeta(
            name="s1",
            uid="1",
            annotations={names.CLOSE_REQUESTED: close},
            deletion_timestamp=datetime(2030, 1, 1, tzinfo=UTC) if deleting else None,
        ),
        spec=SessionSpec(call_id="one"),
        status=SessionStatus(phase=phase, pod_name="pod", pod_uid=uid, attempt=attempt),
    )


@pytest.mark.parametrize(
    ("known", "taken", "pod", "expected"),
    [
        (session(), -1, HERE, Admission.START),
        (session(), 0, HERE, Admission.START),
        (session(attempt=0), -1, HERE, Admission.START),
        (session(attempt=3), 2, HERE, Admission.START),
        (session(), 1, HERE, Admission.IGNORE),
        (session(), 2, HERE, Admission.IGNORE),
        (session(uid="an earlier pod of this name"), -1, HERE, Admission.IGNORE),
        (session(uid=None, phase=Phase.PENDING), -1, HERE, Admission.IGNORE),
        (session(phase=Phase.CLOSED), -1, HERE, Admission.IGNORE),
        (session(phase=Phase.FAILED), -1, HERE, Admission.IGNORE),
        (session(), -1, FULL, Admission.GIVE_BACK),
        (session(), -1, LEAVING, Admission.GIVE_BACK),
        (session(), -1, COLD_AND_LEAVING, Admission.GIVE_BACK),
        (session(), -1, COLD, Admission.WAIT),
        (session(close="yes"), -1, HERE, Admission.END),
        (session(deleting=True), -1, HERE, Admission.END),
        (session(close="yes"), -1, FULL, Admission.END),
        (session(close="yes"), -1, COLD, Admission.END),
        (session(close="yes"), -1, LEAVING, Admission.END),
        (session(phase=Phase.RUNNING), -1, HERE, Admission.ORPHANED),
        (session(phase=Phase.CLOSING), -1, HERE, Admission.ORPHANED),
        (session(phase=Phase.RUNNING), 1, HERE, Admission.IGNORE),
    ],
)
def test_admission(known, taken, pod, expected):
    assert admission(known, taken, pod) is expected


@pytest.mark.parametrize(("pod", "expected"), [(HERE, Admission.END), (COLD, Admission.END), (FULL, Admission.END)])
def test_what_this_process_started_and_nobody_waits_for_is_ended(pod, expected):
    assert admission(session(), -1, pod, wanted=False) is expected
    assert admission(session(), 1, pod, wanted=False) is Admission.IGNORE
