"""The checker is shown to fail: each promise with a history that breaks it, and one beside it that keeps it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.invariants import Event, KeyedAnswer, Kind, Tolerance, Type, assert_holds, check

POD = "pod-uid-1"
OTHER_POD = "pod-uid-2"


class Tape:
    """Writes a recording: each call is one event, a second after the one before unless told otherwise."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._bodies: dict[str, dict[str, Any]] = {}
        self._at = 0.0

    def wait(self, seconds: float) -> Tape:
        self._at += seconds
        return self

    def runtime(self, *, when_full: str = "Wait", **limits: int) -> Tape:
        spec = {"limits": limits, "queue": {"whenFull": when_full}}
        body = {"metadata": _meta("default"), "spec": spec, "status": {"revision": "r1"}}
        return self._put(Kind.RUNTIME, "default", body)

    def delete_runtime(self) -> Tape:
        """Asks for its deletion; it stays until it is drained."""
        body = self._bodies["default"]
        meta = {**body["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
        return self._put(Kind.RUNTIME, "default", {**body, "metadata": meta})

    def pod(self, uid: str = POD, *, slots: int = 2, ready: bool = True, revision: str = "r1") -> Tape:
        body = {
            "metadata": {
                **_meta(uid),
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"greenroom.dev/runtime": "default", "greenroom.dev/revision": revision},
                "annotations": {"greenroom.dev/slots": str(slots)},
            },
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
        }
        return self._put(Kind.POD, uid, body)

    def create(self, name: str = "s1", call: str = "call-1", **metadata: Any) -> Tape:
        body = {
            "metadata": {**_meta(name), **metadata},
            "spec": {"callId": call, "runtime": "default"},
            "status": {"phase": "Pending"},
        }
        return self._put(Kind.SESSION, name, body)

    def status(self, name: str = "s1", type_: Type | None = None, **fields: Any) -> Tape:
        body = self._bodies[name]
        status = {key: value for key, value in {**body["status"], **fields}.items() if value is not None}
        return self._put(Kind.SESSION, name, {**body, "status": status}, type_)

    def annotate(self, name: str = "s1") -> Tape:
        body = self._bodies[name]
        meta = {**body["metadata"], "annotations": {"greenroom.dev/close-requested": "now"}}
        return self._put(Kind.SESSION, name, {**body, "metadata": meta})

    def bind(self, name: str = "s1", pod: str = POD, attempt: int = 1, **fields: Any) -> Tape:
        return self.status(name, phase="Scheduled", podName=pod, podUID=pod, attempt=attempt, **fields)

    def unbind(self, name: str = "s1", **fields: Any) -> Tape:
        return self.status(name, phase="Pending", podName=None, podUID=None, **fields)

    def end(self, name: str = "s1", reason: str = "Finished", phase: str = "Closed") -> Tape:
        return self.status(name, phase=phase, reason=reason, endedAt="2026-01-01T00:00:00Z")

    def delete(self, name: str = "s1") -> Tape:
        return self._put(Kind.SESSION, name, self._bodies.pop(name), Type.DELETED)

    def life(self, name: str = "s1", call: str = "call-1") -> Tape:
        return self.create(name, call).bind(name).status(name, phase="Running").end(name)

    def broken(self, **tolerance: float) -> list[tuple[str, str]]:
        return [(found.rule, found.text) for found in check(self.events, Tolerance(**tolerance))]

    def _put(self, kind: Kind, name: str, body: dict[str, Any], type_: Type | None = None) -> Tape:
        type_ = type_ or (Type.MODIFIED if name in self._bodies else Type.ADDED)
        if type_ is not Type.DELETED:
            self._bodies[name] = body
        self._at += 0.01
        self.events.append(Event(self._at, kind, type_, len(self.events) + 1, body))
        return self


def _meta(name: str) -> dict[str, Any]:
    return {"name": name, "uid": name}


def world(**limits: int) -> Tape:
    return Tape().runtime(when_full="Wait", **limits).pod()


def only(tape: Tape, rule: str, part: str, **tolerance: float) -> None:
    """Exactly this one promise is broken, and the text says how."""
    found = tape.broken(**tolerance)
    assert [name for name, _ in found] == [rule], found
    assert part in found[0][1]


def test_a_good_life_breaks_nothing() -> None:
    assert world().life().broken() == []


def test_everything_lawful_at_once_breaks_nothing() -> None:
    tape = world(maxSessionsPerCall=1, maxConcurrentSessions=3)
    tape.create("s1").bind("s1").unbind("s1").bind("s1", attempt=2).status("s1", phase="Running")
    tape.create("s2").end("s2", "MaxSessionsPerCall", "Failed")
    tape.create("s3", "call-3").delete("s3")
    tape.status("s1", phase="Closing").end("s1", "CloseRequested")
    tape.life("s4").delete("s1")
    assert tape.broken() == []


def test_nothing_recorded_is_no_proof() -> None:
    with pytest.raises(AssertionError, match="nothing has been checked"):
        assert_holds(world().events)


def test_message_has_the_history() -> None:
    tape = world().create().bind()
    with pytest.raises(AssertionError) as told:
        assert_holds(tape.events)
    assert "I4 ends: s1: still Scheduled at the end of the run" in str(told.value)
    assert "ADDED phase=Pending" in str(told.value)
    assert "MODIFIED phase=Scheduled attempt=1 pod=pod-uid-1" in str(told.value)


# --- I1 ---


def test_one_session_too_many_in_a_pod() -> None:
    tape = world()
    for number in range(3):
        tape.create(f"s{number}", f"call-{number}").bind(f"s{number}")
    for number in range(3):
        tape.end(f"s{number}")
    only(tape, "I1 slots", "holds 3 sessions in 2 slots")


def test_a_slot_is_free_again_after_an_end_and_after_giving_back() -> None:
    tape = world().life("s1").life("s2").create("s3").bind("s3").unbind("s3").bind("s3", attempt=2)
    tape.create("s4", "call-4").bind("s4").end("s3").end("s4")
    assert tape.broken() == []


def test_bound_to_a_pod_that_never_was() -> None:
    tape = world().create().bind(pod="ghost").status(phase="Running").end()
    only(tape, "I1 slots", "never there")


def test_waiting_beside_a_free_slot() -> None:
    tape = world().create().wait(5).bind().end()
    only(tape, "I1 waiting", "waited 5.0 s beside a free slot", quiet_seconds=3)
    assert tape.broken(quiet_seconds=6) == []


def test_waiting_until_the_end_of_the_run_is_seen_too() -> None:
    tape = world().create("s1").wait(5).create("s2").delete("s2")
    assert ("I1 waiting", "waited 5.0 s beside a free slot, 5.0 s since the last bind") in tape.broken()


def test_progress_excuses_waiting_but_not_for_ever() -> None:
    tape = world().pod(slots=100).create("s0", "call-0")
    for number in range(1, 12):
        tape.create(f"s{number}", f"call-{number}").wait(1).bind(f"s{number}")
    for number in range(1, 12):
        tape.end(f"s{number}")
    tape.bind("s0").end("s0")
    assert tape.broken(quiet_seconds=3, longest_seconds=20) == []
    only(tape, "I1 waiting", "1.0 s since the last bind", quiet_seconds=3, longest_seconds=8)


def lost(*, losses: int, waits: float, attempt: int = 1, reason: str = "PodLost") -> Tape:
    """Taken back from a pod, and bound again after so long, beside a free slot."""
    tape = world().create().bind()
    last = {"attempt": attempt, "reason": reason, "losses": losses}
    tape.status(phase="Pending", podName=None, podUID=None, lastAttempt=last)
    return tape.wait(waits).status(priority=1).bind(attempt=2).end()


def test_the_pause_after_losses_is_no_waiting_and_what_follows_it_is() -> None:
    assert lost(losses=4, waits=8 + 2).broken(quiet_seconds=3) == []
    only(lost(losses=4, waits=8 + 4), "I1 waiting", "waited 4.0 s beside a free slot", quiet_seconds=3)


@pytest.mark.parametrize("unexcused", [{"losses": 1}, {"losses": 4, "reason": "Returned"}, {"losses": 4, "attempt": 0}])
def test_only_losses_in_a_row_excuse_a_pause(unexcused: dict[str, Any]) -> None:
    only(lost(**unexcused, waits=4), "I1 waiting", "waited 4.0 s beside a free slot", quiet_seconds=3)


@pytest.mark.parametrize(
    "excuse",
    [
        pytest.param(lambda: Tape().runtime().pod(ready=False).create(), id="pod not ready"),
        pytest.param(lambda: Tape().runtime().pod(slots=0).create(), id="no slot"),
        pytest.param(lambda: Tape().pod().create(), id="no runtime"),
        pytest.param(lambda: Tape().runtime().pod(revision="r2").create(), id="rollout"),
        pytest.param(lambda: world().create().annotate(), id="closed"),
        pytest.param(lambda: world().delete_runtime().create(), id="runtime deleted"),
    ],
)
def test_waiting_with_good_reason(excuse: Any) -> None:
    tape = excuse().wait(60).end(reason="CloseRequested")
    assert tape.broken() == []


# --- I2 ---


@pytest.mark.parametrize(
    ("breach", "part"),
    [
        pytest.param(lambda tape: tape.bind().bind(pod=OTHER_POD, attempt=2).end(), "moved from pod", id="moved"),
        pytest.param(lambda tape: tape.bind().unbind().bind().end(), "attempt grew by 0", id="same attempt"),
        pytest.param(lambda tape: tape.bind(attempt=2).end(), "attempt grew by 2", id="attempt skipped"),
        pytest.param(lambda tape: tape.bind().status(attempt=2).end(), "attempt grew by 1 without", id="no bind"),
        pytest.param(
            lambda tape: tape.bind(attempt=1).unbind().status(attempt=0).bind().end(), "went back", id="backwards"
        ),
        pytest.param(lambda tape: tape.bind().end().status(phase="Running"), "after its end", id="undead"),
        pytest.param(lambda tape: tape.bind().end().status(reason="Idle"), "'Finished' -> 'Idle'", id="new reason"),
        pytest.param(
            lambda tape: tape.bind().status(phase="Closing").status(phase="Running").end(), "follow", id="step"
        ),
        pytest.param(
            lambda tape: tape.status(phase="Running", podName=POD, podUID=POD, attempt=1).end(),
            "Running does not follow Pending",
            id="jump",
        ),
        pytest.param(lambda tape: tape.bind().status(podName=None).end(), "do not go together", id="half a pod"),
        pytest.param(lambda tape: tape.bind().status(phase="Pending").end(), "Pending in a pod", id="pending in a pod"),
        pytest.param(
            lambda tape: tape.bind().status(phase="Running").unbind().end(), "restartPolicy is Never", id="moved call"
        ),
    ],
)
def test_unlawful_attempts(breach: Any, part: str) -> None:
    tape = breach(world().pod(OTHER_POD).create())
    found = [text for rule, text in tape.broken() if rule == "I2 attempts"]
    assert any(part in text for text in found), tape.broken()


def test_running_goes_back_with_on_pod_loss() -> None:
    tape = world().create().bind(effective={"restartPolicy": "OnPodLoss"}).status(phase="Running")
    assert tape.unbind().bind(attempt=2).end().broken() == []


def test_what_runs_is_not_taken_back_for_not_having_been_started() -> None:
    """Its pod may give it back, or be lost."""

    def moved(phase: str, reason: str) -> Tape:
        tape = world().create().bind(effective={"restartPolicy": "OnPodLoss"}).status(phase=phase)
        return tape.unbind(lastAttempt={"attempt": 1, "reason": reason}).bind(attempt=2).end()

    only(moved("Running", "TakenBack"), "I2 attempts", "as if its pod had not started it")
    assert moved("Scheduled", "TakenBack").broken() == []
    assert moved("Running", "Returned").broken() == []
    assert moved("Running", "PodLost").broken() == []


def test_what_a_list_hides_is_not_judged_but_ends_are() -> None:
    tape = world().create().bind()
    tape.status(type_=Type.LISTED, phase="Running", podName=OTHER_POD, podUID=OTHER_POD, attempt=3)
    tape.pod(OTHER_POD)
    assert [rule for rule, _ in tape.end().broken()] == ["I1 slots"], "the second pod came too late"
    tape.status(type_=Type.LISTED, phase="Running", reason=None)
    assert "I2 attempts" in [rule for rule, _ in tape.broken()]


def test_bound_after_its_end_was_asked_for() -> None:
    tape = world().create().annotate().bind().end(reason="CloseRequested")
    only(tape, "I5 close", "bound though")


# --- I3 ---


def test_two_in_one_call() -> None:
    tape = world(maxSessionsPerCall=1).create("s1").create("s2").bind("s1").bind("s2").end("s1").end("s2")
    only(tape, "I3 limits", "maxSessionsPerCall is 1, and 2 count")


def test_one_after_the_other_in_one_call() -> None:
    assert world(maxSessionsPerCall=1).life("s1").life("s2").broken() == []


def test_waiting_ones_count() -> None:
    told = [{"type": "Scheduled", "status": "False", "reason": "NoFreeSlot"}]
    tape = Tape().runtime(maxConcurrentSessions=1).pod(slots=1)
    tape.create("s1").bind("s1").create("s2", "call-2").status("s2", conditions=told)
    tape.end("s1").bind("s2").end("s2")
    only(tape, "I3 limits", "maxConcurrentSessions is 1, and 2 count in default: s1, s2")


def test_a_session_between_two_pods_counts() -> None:
    tape = world(maxSessionsPerCall=1).create("s1").bind("s1").unbind("s1")
    tape.create("s2").bind("s2").end("s2").bind("s1", attempt=2).end("s1")
    only(tape, "I3 limits", "maxSessionsPerCall is 1")


def test_a_limit_lowered_later_ends_nobody() -> None:
    tape = world(maxConcurrentSessions=2).create("s1").bind("s1").create("s2", "b").bind("s2")
    assert tape.runtime(maxConcurrentSessions=1).wait(60).end("s1").end("s2").broken() == []


def test_refused_without_need() -> None:
    tape = world(maxSessionsPerCall=2).create("s1").bind("s1")
    tape.create("s2").end("s2", "MaxSessionsPerCall", "Failed").end("s1")
    only(tape, "I3 limits", "refused by maxSessionsPerCall of 2 with at most 1 others")


def test_refused_by_no_limit() -> None:
    only(world().create().end(reason="MaxConcurrentSessions", phase="Failed"), "I3 limits", "which is not set")


# --- refusals of a full fleet ---


def refusing(slots: int = 1) -> Tape:
    return Tape().runtime(when_full="Refuse").pod(slots=slots)


def refuse(tape: Tape, name: str = "s2") -> Tape:
    return tape.create(name, "call-2").end(name, "NoCapacity", "Failed")


def test_refused_by_a_full_fleet_that_lets_nobody_wait() -> None:
    assert refuse(refusing().create().bind().wait(60)).end("s1").broken() == []


def test_refused_beside_a_slot_that_was_free_a_moment_ago_is_what_the_operator_could_not_know() -> None:
    assert refuse(refusing().create().bind().wait(60).end("s1").wait(2)).broken() == []


def test_refused_beside_a_free_slot() -> None:
    only(refuse(refusing(slots=2).create().bind().wait(60)).end("s1"), "I1 refusals", "has had one free for 60")


def test_refused_beside_a_slot_that_another_was_on_the_way_to() -> None:
    tape = refusing().create().wait(60)
    assert refuse(tape).wait(1).bind().end("s1").broken(longest_seconds=90, quiet_seconds=90) == []
    late = refuse(refusing().create().wait(60)).wait(20).bind().end("s1")
    only(late, "I1 refusals", "has had one free", longest_seconds=90, quiet_seconds=90)


def test_refused_where_sessions_may_wait() -> None:
    only(refuse(world()), "I1 refusals", "lets sessions wait")
    tape = refusing().create().bind().runtime(when_full="Wait").wait(60)
    only(refuse(tape).end("s1"), "I1 refusals", "lets sessions wait")


def test_refused_by_a_rule_that_was_changed_a_moment_ago() -> None:
    assert refuse(refusing().create().bind().wait(60).runtime(when_full="Wait").wait(2)).end("s1").broken() == []


def test_refused_on_its_way_from_one_pod_to_another() -> None:
    tape = refusing().create("s1").bind("s1").unbind("s1").create("s2", "call-2").bind("s2").wait(60)
    only(tape.end("s1", "NoCapacity", "Failed").end("s2"), "I1 refusals", "though a pod has had it before")


# --- I4 ---


@pytest.mark.parametrize(
    ("breach", "part"),
    [
        pytest.param(lambda tape: tape.bind().status(phase="Running"), "still Running", id="left running"),
        pytest.param(lambda tape: tape, "still Pending", id="left waiting"),
        pytest.param(lambda tape: tape.bind().delete(), "vanished while Scheduled", id="vanished"),
        pytest.param(lambda tape: tape.bind().unbind().delete(), "vanished while Pending", id="vanished on the move"),
        pytest.param(lambda tape: tape.bind().end(reason="Whatever"), "for the reason 'Whatever'", id="odd reason"),
        pytest.param(lambda tape: tape.bind().status(phase="Closed", endedAt="x"), "reason None", id="no reason"),
        pytest.param(lambda tape: tape.bind().end(reason="AgentError"), "stands for Failed", id="wrong phase"),
        pytest.param(
            lambda tape: tape.bind().status(phase="Closed", reason="Idle"), "without endedAt", id="no time of end"
        ),
    ],
)
def test_unlawful_ends(breach: Any, part: str) -> None:
    only(breach(world().create()), "I4 ends", part)


def test_kept_by_its_finalizer() -> None:
    tape = world().create(finalizers=["greenroom.dev/leave-call"], deletionTimestamp="2026-01-01T00:00:00Z")
    only(tape.end(reason="Deleted"), "I4 ends", "kept by ['greenroom.dev/leave-call']")


# --- I7 ---


def test_one_key_two_sessions() -> None:
    answers = [KeyedAnswer("call-1", "k", "s1"), KeyedAnswer("call-1", "k", "s2"), KeyedAnswer("call-2", "k", "s3")]
    found = check(world().life().events, answers=answers)
    assert [violation.rule for violation in found] == ["I7 keys"]
    assert "gave 2 sessions: ['s1', 's2']" in found[0].text


def test_order_of_arrival_does_not_matter() -> None:
    tape = world().life()
    assert check(list(reversed(tape.events))) == []
