"""What a fleet of pods needs, world by world."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs
from tests.unit.operator.worlds import NOW, TEMPLATE, fleet, pod

from greenroom.runtime.settings import RuntimeSettings
from greenroom_core.model import names
from greenroom_core.model.runtime import (
    Autoscaling,
    Placement,
    Queue,
    RuntimeLimits,
    RuntimeStatus,
    UpdateStrategy,
)
from greenroom_core.model.session import SessionDefaults, SessionLimits
from greenroom_core.settings import load
from greenroom_operator.planning.attempts import Attempts
from greenroom_operator.planning.fleet import FleetPlan, finished_to_delete, plan_fleet
from greenroom_operator.planning.fleet_snapshot import FleetSnapshot
from greenroom_operator.planning.fleet_status import fleet_status
from greenroom_operator.planning.pods import pod_body, pod_name
from greenroom_operator.planning.revision import revision
from greenroom_operator.planning.size import Size
from greenroom_operator.planning.trial import Trial
from greenroom_operator.planning.values import Fleet

if TYPE_CHECKING:
    from greenroom_core.model.pod import Pod


def seen(
    *pods: Pod,
    of: Fleet | None,
    now: float = 1000.0,
    sessions: dict[str, int] | None = None,
    empty_since: dict[str, float] | None = None,
    being_made: int = 0,
    attempts: Attempts | None = None,
    template_error: str | None = "",
    waiting: int = 0,
    size: Size | None = None,
    trial: Trial | None = None,
) -> FleetSnapshot:
    return FleetSnapshot(
        now=now,
        wall=NOW,
        fleet=of,
        trial=trial or Trial(),
        pods=pods,
        sessions=sessions or {},
        empty_since=empty_since or {},
        being_made=being_made,
        attempts=attempts or Attempts(),
        template_error=template_error,
        waiting=waiting,
        size=size,
    )


def deleted(plan: FleetPlan) -> list[str]:
    return [item.metadata.name for item in plan.delete]


def test_makes_what_is_missing_writes_under_way_counted() -> None:
    assert plan_fleet(seen(pod(), of=fleet(replicas=4), being_made=1)).create == 2


@pytest.mark.parametrize(("missing", "being_made", "create"), [(3, 0, 3), (40, 0, 10), (40, 4, 6), (40, 10, 0)])
def test_ten_are_made_at_a_time(missing: int, being_made: int, create: int) -> None:
    world = seen(of=fleet(replicas=missing + being_made), being_made=being_made)
    assert plan_fleet(world).create == create


def test_makes_no_pod_before_the_template_has_been_tried_or_when_it_is_bad() -> None:
    untried = plan_fleet(seen(of=fleet(), template_error=None))
    assert (untried.try_template, untried.create) == (True, 0)
    bad = plan_fleet(seen(of=fleet(), template_error="spec.containers[0].image: Required"))
    assert (bad.try_template, bad.create) == (False, 0)


def test_a_finished_or_leaving_pod_is_replaced() -> None:
    world = seen(pod("a", phase="Failed"), pod("b", leaving_for=1), of=fleet(replicas=2))
    assert plan_fleet(world).create == 2


@pytest.mark.parametrize(("failures", "wait"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (9, 60)])
def test_repeated_failures_are_mended_ever_more_slowly(failures: int, wait: float) -> None:
    attempts = Attempts(failures, last_failure_at=1000.0)
    assert plan_fleet(seen(of=fleet(), now=1000.0 + wait, attempts=attempts)).create == 1
    if wait:
        early = plan_fleet(seen(of=fleet(), now=999.9 + wait, attempts=attempts))
        assert (early.create, early.wake_at) == (0, 1000.0 + wait)


def test_ten_that_fail_at_once_are_one_round_and_the_next_failure_another() -> None:
    attempts = Attempts()
    for _ in range(10):
        attempts = attempts.failed("exit code 1", 1000.0)
    assert (attempts.failures, attempts.not_before) == (2, 1001.0)
    attempts = attempts.failed("exit code 2", 1002.0)
    assert (attempts.failures, attempts.why, attempts.not_before) == (3, "exit code 2", 1004.0)


def test_a_refusal_is_forgotten_once_the_server_takes_a_pod() -> None:
    refused = Attempts().failed("exceeded quota", 5.0).refused("exceeded quota")
    assert refused.accepted() == Attempts()
    failing = Attempts(3, 5.0, "exit code 1")
    assert failing.accepted() is failing


def test_a_template_that_may_not_be_tried_now_is_tried_again_later() -> None:
    attempts = Attempts(3, last_failure_at=1000.0, refusal="exceeded quota")
    early = plan_fleet(seen(of=fleet(), now=1001.0, attempts=attempts, template_error=None))
    assert (early.try_template, early.wake_at) == (False, 1002.0)
    assert plan_fleet(seen(of=fleet(), now=1002.0, attempts=attempts, template_error=None)).try_template


def test_deletes_only_surplus_pods_without_label_and_sessions() -> None:
    pods = [pod("busy"), pod("old", busy=False, age=90), pod("new", busy=False, age=10), pod("held", busy=False)]
    world = seen(*pods, of=fleet(replicas=1), sessions={"uid-held": 1})
    assert deleted(plan_fleet(world)) == ["new", "old"]


def test_a_pod_that_is_not_ready_goes_before_one_that_is() -> None:
    pods = [pod("ready", busy=False, age=1), pod("starting", busy=False, ready=False, age=50)]
    assert deleted(plan_fleet(seen(*pods, of=fleet(replicas=1)))) == ["starting"]


def test_old_revisions_leave_when_empty_and_replaced() -> None:
    old = [pod("old1", busy=False, revision="r0"), pod("old2", busy=True, revision="r0")]
    waiting = plan_fleet(seen(*old, of=fleet(replicas=2)))
    assert (waiting.create, deleted(waiting)) == (1, []), "as many as maxSurge allows"
    new = [pod("new1"), pod("new2")]
    assert deleted(plan_fleet(seen(*old, *new, of=fleet(replicas=2)))) == [], "nothing is known of the new revision"
    assert deleted(plan_fleet(seen(*old, *new, of=fleet(replicas=2), trial=Trial(started=1)))) == ["old1"]


@pytest.mark.parametrize(
    ("surge", "old", "new", "being_made", "create"),
    [
        ("25%", 4, 0, 0, 1),
        ("25%", 4, 1, 0, 0),
        ("25%", 3, 1, 0, 1),
        ("100%", 4, 0, 0, 4),
        (2, 4, 0, 1, 1),
        (0, 4, 0, 0, 1),
    ],
)
def test_a_rollout_adds_no_more_than_the_surge(
    surge: int | str, old: int, new: int, being_made: int, create: int
) -> None:
    pods = [pod(f"old{n}", revision="r0") for n in range(old)] + [pod(f"new{n}", ready=False) for n in range(new)]
    assert plan_fleet(seen(*pods, of=fleet(replicas=4, surge=surge), being_made=being_made)).create == create


def test_a_cordoned_pod_is_replaced_at_once_and_leaves_when_empty() -> None:
    held = plan_fleet(seen(pod("a"), pod("b", cordoned=True), of=fleet(replicas=2), sessions={"uid-b": 1}))
    assert (held.create, deleted(held)) == (1, [])
    empty = plan_fleet(seen(pod("a"), pod("b", cordoned=True, busy=False), of=fleet(replicas=2)))
    assert (empty.create, deleted(empty)) == (1, ["b"])


def test_an_autoscaled_fleet_grows_for_those_who_wait() -> None:
    of = fleet(scaling=Autoscaling(max_pods=5, buffer_sessions=0), slots=2)
    plan = plan_fleet(seen(pod("a"), of=of, sessions={"uid-a": 2}, waiting=3))
    assert (plan.create, plan.size.pods) == (2, 3)


def test_a_new_leader_does_not_shrink_a_fleet_at_once() -> None:
    of = fleet(scaling=Autoscaling(max_pods=5, buffer_sessions=0, scale_down_delay_seconds=60))
    pods = [pod("a", busy=False), pod("b", busy=False)]
    first = plan_fleet(seen(*pods, of=of))
    assert (first.size.pods, deleted(first), first.wake_at) == (2, [], 1060.0)
    later = plan_fleet(seen(*pods, of=of, now=1060.0, size=first.size))
    assert sorted(deleted(later)) == ["a", "b"]


def test_the_label_comes_off_a_minute_after_the_last_session() -> None:
    since = {"uid-p1": 940.0}
    assert [p.metadata.name for p in plan_fleet(seen(pod(), of=fleet(), empty_since=since)).unlabel] == ["p1"]
    early = plan_fleet(seen(pod(), of=fleet(), empty_since={"uid-p1": 941.0}))
    assert (early.unlabel, early.wake_at) == ((), 1001.0)
    held = plan_fleet(seen(pod(), of=fleet(), empty_since=since, sessions={"uid-p1": 1}))
    assert held.unlabel == ()


@pytest.mark.parametrize("gone", [None, fleet(deleting=True)])
def test_without_its_runtime_a_fleet_shrinks_to_the_pods_that_are_in_use(gone: Fleet | None) -> None:
    assert deleted(plan_fleet(seen(pod("used"), pod("idle", busy=False), of=gone))) == ["idle"]


def test_the_newest_finished_pod_is_kept_for_its_log() -> None:
    pods = [pod("a", phase="Failed", age=30), pod("b", phase="Failed", age=20), pod("c", phase="Failed", age=10)]
    assert [item.metadata.name for item in finished_to_delete(pods)] == ["b", "a"]


def test_status_tells_pods_slots_and_why() -> None:
    of = fleet(replicas=3)
    world = seen(pod("a", slots=2), pod("b", slots=2, ready=False), of=of, sessions={"uid-a": 1})
    status = fleet_status(world, of, Size(3), RuntimeStatus(), pending=4, now=NOW)
    figures = (status.pods, status.ready_pods, status.slots, status.free_slots, status.sessions, status.pending)
    assert figures == (2, 1, 4, 1, 1, 4)
    assert {c.type: c.reason for c in status.conditions} == {"Available": "PodsReady", "Progressing": "Creating"}
    later = fleet_status(world, of, Size(3), status, pending=4, now=NOW + timedelta(seconds=9))
    assert later == status


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        ({"template_error": "bad image"}, "TemplateInvalid"),
        ({"attempts": Attempts(2, 1.0)}, "PodsFailing"),
        ({"attempts": Attempts(refusal="exceeded quota")}, "PodsRefused"),
    ],
)
def test_status_names_what_is_in_the_way(world: dict[str, Any], reason: str) -> None:
    of = fleet()
    status = fleet_status(seen(of=of, **world), of, Size(1), RuntimeStatus(), pending=0, now=NOW)
    assert {c.type: c.reason for c in status.conditions}["Progressing"] == reason


class TestPodBody:
    def test_makes_a_runtime_pod_of_the_template(self) -> None:
        of = fleet()
        body = pod_body(of, "default-rev1-x")
        assert body["metadata"]["labels"] == {names.RUNTIME_LABEL: "default", names.REVISION_LABEL: "rev1"}
        assert body["metadata"]["annotations"][names.SLOTS_ANNOTATION] == "10"
        assert body["metadata"]["ownerReferences"][0]["uid"] == "uid-fleet"
        assert body["spec"]["restartPolicy"] == "Never"
        assert body["spec"]["terminationGracePeriodSeconds"] == 3630
        assert body["spec"]["enableServiceLinks"] is False
        [container] = body["spec"]["containers"]
        assert {item["name"] for item in container["env"]} == {
            "GREENROOM_NAMESPACE",
            "GREENROOM_POD_NAME",
            "GREENROOM_POD_UID",
            "GREENROOM_RUNTIME",
            "GREENROOM_SLOTS",
            "GREENROOM_DRAIN_TIMEOUT_SECONDS",
        }
        assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "greenroom"}
        assert {"name": "greenroom", "containerPort": 8080} in container["ports"]

    def test_is_told_what_it_may_not_read(self) -> None:
        limits = SessionLimits(start_deadline_seconds=9.0)
        runtime = structs.replace(
            fleet().runtime,
            spec=structs.replace(
                fleet().runtime.spec,
                limits=RuntimeLimits(max_concurrent_sessions=7, max_sessions_per_call=2),
                session_defaults=SessionDefaults(limits=limits),
            ),
        )
        [container] = pod_body(replace(fleet(), runtime=runtime), "x")["spec"]["containers"]
        told = {item["name"]: item.get("value") for item in container["env"]}
        settings = load(RuntimeSettings, "runtime", (), {name: value or "-" for name, value in told.items()})
        assert settings.start_deadline_seconds == 9
        assert (settings.max_concurrent_sessions, settings.max_sessions_per_call) == (7, 2)
        assert revision(runtime) == revision(fleet().runtime), "a change of them replaces no pod"

    def test_keeps_what_the_template_says_itself(self) -> None:
        own = {"name": "agent", "env": [{"name": "GREENROOM_SLOTS", "value": "1"}], "livenessProbe": {"exec": {}}}
        template = {"spec": {"containers": [own, {"name": "sidecar"}], "restartPolicy": "Always"}}
        of = fleet()
        spec = _with_template(of, template)
        first, second = pod_body(spec, "x")["spec"]["containers"]
        assert [e["value"] for e in first["env"] if e["name"] == "GREENROOM_SLOTS"] == ["1"]
        assert first["livenessProbe"] == {"exec": {}}
        assert second == {"name": "sidecar"}
        assert pod_body(spec, "x")["spec"]["restartPolicy"] == "Never"

    def test_what_it_says_of_zones_goes_through(self) -> None:
        zones = {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {names.RUNTIME_LABEL: "default"}},
            "matchLabelKeys": [names.REVISION_LABEL],
        }
        container = {"name": "agent"}
        template = {"spec": {"topologySpreadConstraints": [zones], "containers": [container]}}
        body = pod_body(_with_template(fleet(), template), "x")
        assert body["spec"]["topologySpreadConstraints"] == [zones]
        labels = body["metadata"]["labels"]
        assert labels.items() >= zones["labelSelector"]["matchLabels"].items(), "the pods are those that it spreads"
        assert names.REVISION_LABEL in labels

    def test_labels_and_annotations_of_ours_are_not_the_templates_to_give(self) -> None:
        own = {
            "labels": {names.RUNTIME_LABEL: "other", names.BUSY_LABEL: "true", "team": "red"},
            "annotations": {names.CORDONED: "yes", names.SLOTS_ANNOTATION: "99", "note": "kept"},
        }
        metadata = pod_body(_with_template(fleet(), {**TEMPLATE, "metadata": own}), "x")["metadata"]
        assert metadata["labels"] == {names.RUNTIME_LABEL: "default", names.REVISION_LABEL: "rev1", "team": "red"}
        assert metadata["annotations"] == {names.SLOTS_ANNOTATION: "10", names.SAFE_TO_EVICT: "false", "note": "kept"}

    @pytest.mark.parametrize(
        ("template", "field"),
        [
            ({}, "spec.template.spec.containers"),
            ({"spec": {}}, "spec.template.spec.containers"),
            ({"spec": "containers"}, "spec.template.spec"),
            ({"spec": {"containers": {"name": "agent"}}}, "spec.template.spec.containers"),
            ({"spec": {"containers": ["agent"]}}, "spec.template.spec.containers[0]"),
            ({"spec": {"containers": [{"env": [{"value": "1"}]}]}}, "spec.template.spec.containers[0].env[0]"),
            ({"spec": {"containers": [{"ports": ["http"]}]}}, "spec.template.spec.containers[0].ports[0]"),
            ({**TEMPLATE, "metadata": ["a"]}, "spec.template.metadata"),
            ({**TEMPLATE, "metadata": {"labels": {"a": 1}}}, "spec.template.metadata.labels[...]"),
        ],
    )
    def test_names_the_field_of_a_template_that_cannot_be_one(self, template: dict[str, Any], field: str) -> None:
        with pytest.raises(ValueError, match=re.escape(field)):
            pod_body(_with_template(fleet(), template), "x")

    def test_a_name_is_always_a_dns_label(self) -> None:
        assert pod_name(fleet(), "abc12") == "default-rev1-abc12"


def test_a_revision_follows_what_pods_are_made_from() -> None:
    one = fleet().runtime
    assert revision(one) == revision(fleet(replicas=9).runtime)
    changed = _with_template(fleet(), {**TEMPLATE, "metadata": {"labels": {"a": "b"}}}).runtime
    assert revision(changed) != revision(one)


@pytest.mark.parametrize(
    ("change", "another"),
    [
        ({"sessions_per_pod": 3}, True),
        ({"drain_timeout_seconds": 5}, True),
        ({"replicas": 7}, False),
        ({"limits": RuntimeLimits(max_concurrent_sessions=3)}, False),
        ({"queue": Queue(fair_by="team")}, False),
        ({"placement": Placement.SPREAD}, False),
        ({"update_strategy": UpdateStrategy(max_surge=3)}, False),
        ({"session_defaults": SessionDefaults(ttl_seconds_after_finished=5)}, False),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_only_what_pods_are_made_from_starts_a_rollout(change: dict[str, Any], another: bool) -> None:
    runtime = fleet().runtime
    changed = structs.replace(runtime, spec=structs.replace(runtime.spec, **change))
    assert (revision(changed) != revision(runtime)) is another


def _with_template(of: Fleet, template: dict[str, Any]) -> Fleet:
    import msgspec

    spec = msgspec.structs.replace(of.runtime.spec, template=template)
    return Fleet(msgspec.structs.replace(of.runtime, spec=spec), of.revision)
