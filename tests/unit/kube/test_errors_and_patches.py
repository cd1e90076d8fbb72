"""Which error stands for which answer, and the documents that the status baton allows to write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from greenroom_core.kube import errors
from greenroom_core.kube.kinds import PODS, SESSIONS
from greenroom_core.kube.patches import annotation_patch, attempt_status, versioned_metadata, versioned_status
from greenroom_core.model.meta import ObjectMeta
from greenroom_core.model.phases import Phase
from greenroom_core.model.session import AgentSession, Effective, RestartPolicy, SessionSpec, SessionStatus


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "BadRequest", errors.Refused),
        (401, "Unauthorized", errors.Denied),
        (403, "Forbidden", errors.Denied),
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Expired", errors.Expired),
        (415, "UnsupportedMediaType", errors.Refused),
        (422, "Invalid", errors.Invalid),
    ],
)
def test_status_and_reason_say_which_refusal_it_is(status: int, reason: str, kind: type[errors.Refused]) -> None:
    causes = (errors.Cause("spec.callId", "bad"),)
    refused = errors.refusal(status, reason, "the words", causes)
    assert type(refused) is kind
    assert (refused.status, refused.reason, refused.message, refused.causes) == (status, reason, "the words", causes)
    assert str(refused) == f"{status} {reason}: the words"


def test_name_taken_is_a_conflict_and_no_refusal_is_in_doubt() -> None:
    assert issubclass(errors.AlreadyExists, errors.Conflict)
    assert not issubclass(errors.Unanswered, errors.Refused)
    assert not issubclass(errors.Withheld, errors.Unanswered)


def test_paths_of_collections_objects_and_subresources() -> None:
    base = "/apis/greenroom.dev/v1alpha1"
    assert SESSIONS.path(None) == f"{base}/agentsessions"
    assert SESSIONS.path("calls") == f"{base}/namespaces/calls/agentsessions"
    assert SESSIONS.path("calls", "s", "status") == f"{base}/namespaces/calls/agentsessions/s/status"
    assert PODS.path("calls", "p", "binding") == "/api/v1/namespaces/calls/pods/p/binding"


def bound_session() -> AgentSession:
    return AgentSession(
        metadata=ObjectMeta(name="s", uid="u-1", resource_version="7"),
        spec=SessionSpec(call_id="c"),
        status=SessionStatus(phase=Phase.SCHEDULED, pod_name="p", pod_uid="pu", attempt=2),
    )


def test_operators_form_carries_the_version_it_was_planned_from_and_plain_values() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    fields = {
        "phase": Phase.SCHEDULED,
        "scheduledAt": at,
        "podName": None,
        "effective": Effective(restart_policy=RestartPolicy.NEVER),
    }
    assert versioned_status("7", fields) == {
        "metadata": {"resourceVersion": "7"},
        "status": {
            "phase": "Scheduled",
            "scheduledAt": "2030-01-01T00:00:00Z",
            "podName": None,
            # A merge patch would leave what stood there before.
            "effective": {
                "limits": {"maxDurationSeconds": None, "idleTimeoutSeconds": None, "startDeadlineSeconds": None},
                "restartPolicy": "Never",
                "ttlSecondsAfterFinished": None,
            },
        },
    }
    assert versioned_metadata("7", {"finalizers": ["f"]}) == {"metadata": {"resourceVersion": "7", "finalizers": ["f"]}}


def test_pods_form_tests_the_attempt_first_and_then_adds_whole_values() -> None:
    assert attempt_status(bound_session(), {"phase": Phase.RUNNING, "message": None}) == [
        {"op": "test", "path": "/metadata/uid", "value": "u-1"},
        {"op": "test", "path": "/status/podUID", "value": "pu"},
        {"op": "test", "path": "/status/attempt", "value": 2},
        {"op": "add", "path": "/status/phase", "value": "Running"},
        {"op": "add", "path": "/status/message", "value": None},
    ]


def test_annotations_are_set_and_removed_without_a_precondition() -> None:
    assert annotation_patch({"a": "b", "c": None}) == {"metadata": {"annotations": {"a": "b", "c": None}}}
