"""The judge of the fault suite is shown to find each of the four, in evidence made up to have it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.fault.evidence import Evidence, Killed, Life
from tests.fault.verdict import WORD_OF_RULE, Word, judge
from tests.invariants import Event, Kind, Type, checker
from tests.stack.journal import Line

POD, OTHER = "pod-1", "pod-2"


class Story:
    """One session of one caller, told three times: by the API server, by its agents, by the caller."""

    def __init__(self, *, finish_seconds: float | None = 2.0, again: bool = False) -> None:
        self.life = Life("call-1", finish_seconds, again, asked_at=0.0, answered_at=0.5, status=201, session="s1")
        self.killed: list[Killed] = []
        self.others: list[Life] = []
        self._recording: list[Event] = []
        self._lines: list[Line] = []
        self._pods = [POD, OTHER]
        self._put(Kind.RUNTIME, "default", {"spec": {}, "status": {"revision": "r1"}})
        for pod in self._pods:
            self._put_pod(pod, "Running")
        self.status(phase="Pending")

    def status(self, name: str = "s1", gone: bool = False, **status: Any) -> Story:
        spec = {"callId": "call-1", "runtime": "default"}
        return self._put(Kind.SESSION, name, {"spec": spec, "status": status}, gone)

    def runs(self, pod: str = POD, attempt: int = 1, at: float = 1.0) -> Story:
        held = {"podName": pod, "podUID": pod, "attempt": attempt}
        policy = {"effective": {"restartPolicy": "OnPodLoss" if self.life.again else "Never"}}
        self.status(phase="Scheduled", **held, **policy).status(phase="Running", **held, **policy)
        return self.says("built", pod, at).says("joined", pod, at)

    def ends(self, reason: str = "Finished", phase: str = "Closed", **status: Any) -> Story:
        held = {"podName": POD, "podUID": POD, "attempt": 1, **status}
        return self.status(phase=phase, reason=reason, endedAt="2026-01-01T00:00:00Z", **held)

    def says(self, event: str, pod: str = POD, at: float = 3.0) -> Story:
        self._lines.append(Line(at, event, "s1", pod, 100 + self._pods.index(pod)))
        return self

    def kill(self, pod: str = POD, at: float = 2.0) -> Story:
        self.killed.append(Killed(pod, at))
        return self.pod_dies(pod)

    def pod_dies(self, pod: str = POD) -> Story:
        return self._put_pod(pod, "Failed")

    def found(self) -> dict[Word, int]:
        evidence = Evidence(self._recording, self._lines, [self.life, *self.others], self.killed)
        return {word: len(found) for word, found in judge(evidence).items() if found}

    def _put_pod(self, pod: str, phase: str) -> Story:
        body = {"status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(phase == "Running")}]}}
        return self._put(Kind.POD, pod, body)

    def _put(self, kind: Kind, name: str, body: dict[str, Any], gone: bool = False) -> Story:
        meta = {
            "name": name,
            "uid": name,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"greenroom.dev/runtime": "default", "greenroom.dev/revision": "r1"},
            "annotations": {"greenroom.dev/slots": "2"},
        }
        known = any(event.uid == name for event in self._recording)
        type_ = Type.DELETED if gone else Type.MODIFIED if known else Type.ADDED
        version = len(self._recording) + 1
        self._recording.append(Event(version / 100, kind, type_, version, {"metadata": meta, **body}))
        return self


def moved(killed_at: float, built_at: float) -> Story:
    """Runs again in the other pod, to its end."""
    story = Story(again=True).runs().kill(at=killed_at)
    story.status(phase="Pending", attempt=1, effective={"restartPolicy": "OnPodLoss"})
    story.runs(OTHER, 2, at=built_at).says("left", OTHER, at=6.0)
    return story.ends(podName=OTHER, podUID=OTHER, attempt=2)


def test_a_session_that_finishes() -> None:
    assert Story().runs().says("left", at=3.1).ends().found() == {}


def test_one_that_is_closed_and_one_that_is_closed_before_it_has_joined() -> None:
    story = Story(finish_seconds=None).runs().says("left").ends("CloseRequested")
    story.life = replace(story.life, close_asked_at=2.5)
    assert story.found() == {}


def test_one_that_went_with_its_pod_and_one_that_ran_again() -> None:
    assert Story().runs().kill().ends("PodLost", "Failed").found() == {}
    assert moved(killed_at=2.0, built_at=2.1).found() == {}


def test_lost_when_it_vanishes() -> None:
    story = Story().runs().says("left", at=3.1)
    assert story.status(gone=True, phase="Running", podName=POD, podUID=POD, attempt=1).found() == {Word.LOST: 1}


def test_lost_when_it_ends_without_a_reason() -> None:
    assert Story().runs().says("left", at=3.1).ends("").found() == {Word.LOST: 1}


def test_lost_when_it_was_acknowledged_and_never_there() -> None:
    story = Story().runs().says("left", at=3.1).ends()
    story.others = [replace(story.life, call="call-2", session="s2")]
    assert story.found() == {Word.LOST: 1}


@pytest.mark.parametrize("reason", ["StartDeadline", "StartTimeout", "NoCapacity", "AgentError", "PodLost"])
def test_lost_when_it_failed_and_nothing_that_was_done_explains_it(reason: str) -> None:
    story = Story().runs().says("left", at=3.1).ends(reason, "Failed")
    assert story.found() == {Word.LOST: 1}


def test_lost_when_it_may_run_again_and_fails_with_its_pod() -> None:
    assert Story(again=True).runs().kill().ends("PodLost", "Failed").found() == {Word.LOST: 1}


def test_lost_when_its_start_is_refused() -> None:
    story = Story().runs().says("left", at=3.1).ends()
    story.life = replace(story.life, status=500, session="")
    assert story.found()[Word.LOST] == 1


def test_doubled_when_two_of_its_agents_are_there() -> None:
    story = Story().runs().says("built", OTHER, at=1.5).says("left", at=3.1).says("left", OTHER, at=3.2).ends()
    assert story.found() == {Word.DOUBLED: 1}


def test_doubled_when_the_next_agent_comes_before_the_pod_was_killed() -> None:
    assert moved(killed_at=2.0, built_at=1.9).found() == {Word.DOUBLED: 1}


def test_doubled_when_one_start_made_two_sessions() -> None:
    story = Story().runs().says("left", at=3.1).ends().status("s2", phase="Pending")
    assert story.found()[Word.DOUBLED] == 1


def test_stuck_when_it_has_not_ended() -> None:
    assert Story().runs().says("left", at=3.1).found() == {Word.STUCK: 1}


def test_stuck_when_its_caller_has_no_answer() -> None:
    story = Story()
    story.life = replace(story.life, status=None, answered_at=None, session="")
    assert story.found()[Word.STUCK] >= 1


def test_stuck_when_its_agent_outlives_it() -> None:
    assert Story().runs().ends().found() == {Word.STUCK: 1}


def test_cut_when_its_agent_leaves_early() -> None:
    assert Story(finish_seconds=30.0).runs().says("left", at=3.1).ends().found() == {Word.CUT: 1}
    assert Story(finish_seconds=None).runs().says("left", at=3.1).ends("Drained").found() == {Word.CUT: 1, Word.LOST: 1}


def test_cut_when_it_left_before_it_was_asked_to() -> None:
    story = Story(finish_seconds=None).runs().says("left", at=3.1).ends("CloseRequested")
    story.life = replace(story.life, close_asked_at=3.2)
    assert story.found() == {Word.CUT: 1}


def test_cut_when_its_pod_goes_and_nobody_has_killed_it() -> None:
    assert Story(again=True).runs().pod_dies().ends().found() == {Word.CUT: 1}


def test_every_rule_of_the_checker_has_a_word() -> None:
    rules = {rule.name for rule in checker.rules(checker.CALM)}
    assert rules | {"I7 keys"} == set(WORD_OF_RULE)
