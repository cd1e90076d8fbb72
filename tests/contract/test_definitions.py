"""The definitions in `crds/`: rendered from the model, taken by the real server, and large enough for every field."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import yaml
from tests.contract.door import Door, on_both, on_real

from greenroom_core.kube.kinds import RUNTIMES, SESSIONS
from greenroom_core.model import crds
from greenroom_core.model.meta import Condition, ConditionStatus, plain
from greenroom_core.model.metrics import SessionMetrics
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason, WaitReason
from greenroom_core.model.runtime import (
    Autoscaling,
    Placement,
    Queue,
    RuntimeLimits,
    RuntimeSpec,
    RuntimeStatus,
    UpdateStrategy,
    WhenFull,
)
from greenroom_core.model.session import (
    ANSWER_MAX_LENGTH,
    Checkpoint,
    Effective,
    LastAttempt,
    RestartPolicy,
    SessionDefaults,
    SessionLimits,
    SessionSpec,
    SessionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_AT = datetime(2030, 5, 17, 12, 30, 15, 250_000, tzinfo=UTC)
_LIMITS = SessionLimits(max_duration_seconds=600.5, idle_timeout_seconds=30, start_deadline_seconds=20)
_CONDITIONS = tuple(
    Condition(type=type_, status=status, reason="Because", message="of this", last_transition_time=_AT)
    for type_, status in (("Scheduled", ConditionStatus.TRUE), ("Joined", ConditionStatus.FALSE))
)
_METRICS = msgspec.convert(
    {
        field.name: (index + 0.5 if field.name.endswith("avg") else index + 1)
        for index, field in enumerate(msgspec.structs.fields(SessionMetrics))
    },
    SessionMetrics,
)

SPEC = SessionSpec(
    call_id="call_1-a",
    call_type="video",
    runtime="other",
    pod_name="pod-1",
    parameters={"voice": {"name": "ann"}, "list": [1, 2.5, None, True, "x"]},
    priority=-5,
    limits=_LIMITS,
    restart_policy=RestartPolicy.ON_POD_LOSS,
    ttl_seconds_after_finished=60,
)
STATUS = SessionStatus(
    phase=Phase.FAILED,
    pod_name="pod-1",
    pod_uid="0f0f",
    attempt=3,
    epoch=7,
    effective=Effective(limits=_LIMITS, restart_policy=RestartPolicy.ON_POD_LOSS, ttl_seconds_after_finished=60),
    revision="abc",
    scheduled_at=_AT,
    started_at=_AT,
    joined_at=_AT,
    ended_at=_AT,
    reason=EndReason.POD_LOST,
    message="the pod is gone",
    conditions=_CONDITIONS,
    last_attempt=LastAttempt(
        attempt=2,
        pod_name="pod-0",
        revision="ab",
        started_at=_AT,
        joined_at=_AT,
        ended_at=_AT,
        reason=WaitReason.POD_LOST,
        message="pod pod-0 was lost",
        first_started_at=_AT,
        losses=2,
    ),
    metrics=_METRICS,
    metrics_generated_at=_AT,
    answer="v=0\r\n".ljust(ANSWER_MAX_LENGTH, "ü"),
    checkpoint=Checkpoint(state='{"said":"ü","count":123456789012345678901234567890}'.ljust(16_383), attempt=2),
)
RUNTIME_SPEC = RuntimeSpec(
    template={"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "agent", "x-free": [1]}]}},
    sessions_per_pod=4,
    autoscaling=Autoscaling(min_pods=1, max_pods=9, buffer_sessions="25%", scale_down_delay_seconds=30),
    limits=RuntimeLimits(max_concurrent_sessions=100, max_sessions_per_call=2),
    session_defaults=SessionDefaults(
        limits=_LIMITS, restart_policy=RestartPolicy.ON_POD_LOSS, ttl_seconds_after_finished=60
    ),
    queue=Queue(fair_by="example.com/team", when_full=WhenFull.REFUSE),
    placement=Placement.SPREAD,
    drain_timeout_seconds=60,
    update_strategy=UpdateStrategy(max_surge=2),
)
RUNTIME_STATUS = RuntimeStatus(
    pods=3,
    ready_pods=2,
    slots=8,
    free_slots=5,
    sessions=3,
    pending=1,
    leaving_pods=2,
    leaving_sessions=1,
    revision="abc",
    selector="greenroom.dev/runtime=r",
    observed_generation=4,
    conditions=_CONDITIONS,
)


def unset(value: msgspec.Struct, path: str = "") -> list[str]:
    """The fields, at any depth, that `value` leaves at their default."""
    found = []
    for field in msgspec.structs.fields(value):
        held, where = getattr(value, field.name), f"{path}{field.name}"
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if held == default:
            found.append(where)
        elif isinstance(held, msgspec.Struct):
            found += unset(held, f"{where}.")
    return found


def test_samples_set_every_field() -> None:
    assert unset(SPEC) == []
    assert unset(STATUS) == []
    assert unset(RUNTIME_SPEC) == ["replicas"]
    assert unset(RUNTIME_STATUS) == []


def test_files_are_what_the_model_renders() -> None:
    assert crds.stale() == []
    read = {yaml.safe_load(path.read_text())["metadata"]["name"] for path in crds.CRD_FOLDER.iterdir()}
    assert read == {"agentsessions.greenroom.dev", "agentruntimes.greenroom.dev"}


@on_both
async def test_session_with_every_field_set_comes_back_as_it_was(door: Door) -> None:
    body = {"apiVersion": "greenroom.dev/v1alpha1", "kind": "AgentSession", "metadata": {"name": "s"}}
    made = await door.client.create(SESSIONS, door.namespace, body | {"spec": plain(SPEC)})
    assert made.spec == SPEC
    status = {"status": plain(STATUS)}
    await door.client.merge_patch(SESSIONS, door.namespace, "s", status, subresource="status")
    read = await door.get("s")
    assert (read.spec, read.status) == (SPEC, STATUS)


@on_both
async def test_runtime_with_every_field_set_comes_back_as_it_was(door: Door) -> None:
    body = {"apiVersion": "greenroom.dev/v1alpha1", "kind": "AgentRuntime", "metadata": {"name": "r"}}
    made = await door.client.create(RUNTIMES, door.namespace, body | {"spec": plain(RUNTIME_SPEC)})
    assert made.spec == RUNTIME_SPEC
    status = {"status": plain(RUNTIME_STATUS)}
    await door.client.merge_patch(RUNTIMES, door.namespace, "r", status, subresource="status")
    read = await door.client.get(RUNTIMES, door.namespace, "r")
    assert (read.spec, read.status) == (RUNTIME_SPEC, RUNTIME_STATUS)


async def table(door: Door, plural: str) -> tuple[list[str], list[Any]]:
    """Column names and the cells of the only row, as `kubectl get -o wide` shows them."""
    assert door.plane is not None
    words = ("get", plural, "-n", door.namespace, "-o", "wide")
    process = await asyncio.create_subprocess_exec(
        door.plane.binaries.kubectl,
        f"--kubeconfig={door.plane.kubeconfig}",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    head, row = out.decode().splitlines()
    return head.split(), row.split()


@on_real
async def test_columns_of_a_new_session_show_its_call_and_the_default_phase(door: Door) -> None:
    await door.create("s")
    head, row = await table(door, "ags")
    shown = "NAME CALL RUNTIME PHASE REASON POD REVISION ATTEMPT WAITING STARTED AGE"
    assert head == shown.split()
    assert row[:4] == ["s", "call-1", "default", "Pending"]


@on_real
async def test_columns_of_a_runtime_show_its_fleet(door: Door) -> None:
    body = {"apiVersion": "greenroom.dev/v1alpha1", "kind": "AgentRuntime", "metadata": {"name": "r"}}
    await door.client.create(RUNTIMES, door.namespace, body | {"spec": plain(RUNTIME_SPEC)})
    status: Mapping[str, Any] = {"status": plain(RUNTIME_STATUS)}
    await door.client.merge_patch(RUNTIMES, door.namespace, "r", status, subresource="status")
    head, row = await table(door, "agrt")
    shown = "NAME PODS READY SLOTS FREE SESSIONS PENDING AVAILABLE STATE LEAVING TO-GO REVISION AGE"
    assert head == shown.split()
    assert row[:7] == ["r", "3", "2", "8", "5", "3", "1"]
    assert row[-4:-1] == ["2", "1", "abc"]


@on_real
async def test_category_agents_lists_both_kinds(door: Door) -> None:
    await door.create("s")
    head, row = await table(door, "agents")
    assert (head[0], row[0]) == ("NAME", "agentsession.greenroom.dev/s")
