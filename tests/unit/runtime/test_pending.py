"""What is still to be written: compared with what the server shows, and without what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from greenroom.runtime import pending, report
from greenroom_core.kube.errors import Cause
from greenroom_core.model.metrics import SessionMetrics
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import SessionStatus

AT = datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
SCHEDULED = SessionStatus(phase=Phase.SCHEDULED, pod_name="pod", pod_uid="u", attempt=1)


def written(status: SessionStatus, fields: report.Fields) -> SessionStatus:
    """`status` as the server shows it after a write of `fields`."""
    import msgspec

    from greenroom_core.model.meta import plain

    body = plain(status) | {name: value for name, value in plain(fields).items() if value is not None}
    for name, value in fields.items():
        if value is None:
            body.pop(name, None)
    return msgspec.json.decode(msgspec.json.encode(body), type=SessionStatus)


RUNNING = written(SCHEDULED, report.running(SCHEDULED, AT))
STEPS = [
    (SCHEDULED, report.running(SCHEDULED, AT)),
    (RUNNING, report.joined(RUNNING, AT)),
    (RUNNING, report.closing(RUNNING, AT)),
    (RUNNING, report.ended(RUNNING, EndReason.AGENT_ERROR, "ValueError: x", AT)),
    (RUNNING, report.figures(SessionMetrics(llm_latency_ms__avg=1.5, llm_input_tokens__total=3), AT)),
    (SCHEDULED, report.returned(SCHEDULED, AT, "full")),
]


@pytest.mark.parametrize(("status", "fields"), STEPS)
def test_a_step_is_pending_until_the_server_shows_it(status, fields):
    assert pending.not_yet_applied(fields, status) == fields
    assert pending.not_yet_applied(fields, written(status, fields)) == {}


def test_only_what_is_missing_is_written_again():
    fields = report.running(SCHEDULED, AT) | report.ended(RUNNING, EndReason.FINISHED, "", AT)
    left = pending.not_yet_applied(fields, RUNNING)
    assert set(left) == {"phase", "reason", "endedAt", "conditions"}


def test_a_value_that_our_own_type_refuses_stays_pending():
    fields = {"message": "x" * 2_000}
    assert pending.not_yet_applied(fields, RUNNING) == fields


END = report.ended(RUNNING, EndReason.FINISHED, "m", AT) | report.figures(SessionMetrics(), AT)


@pytest.mark.parametrize(
    ("causes", "dropped"),
    [
        ([Cause("status.metrics.llm_latency_ms__avg", "bad")], {"metrics"}),
        ([Cause("status.conditions[0].reason", "bad"), Cause("status.message", "long")], {"conditions", "message"}),
        ([Cause("status.phase", "bad")], {"metrics", "metricsGeneratedAt", "conditions", "message"}),
        ([Cause("", "a policy says no")], {"metrics", "metricsGeneratedAt", "conditions", "message"}),
        ([Cause("status", "a rule says no")], {"metrics", "metricsGeneratedAt", "conditions", "message"}),
    ],
)
def test_what_the_server_refuses_is_dropped_but_never_the_phase(causes, dropped):
    assert END.keys() - pending.without_refused(END, causes).keys() == dropped
