"""Environment and command line of a pod's process."""

from __future__ import annotations

from typing import Any

import pytest

from greenroom_local.node.environment import Reference, command_of, environment_of, expand, references
from greenroom_local.node.pod import CannotStart, LocalPod


def pod(**container: Any) -> LocalPod:
    return LocalPod(spec={"containers": [{"name": "main", **container}]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$(B)", "$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A}", "$A ${A}"),
    ],
)
def test_expansion_is_that_of_kubernetes(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_references_are_known_before_anything_is_read() -> None:
    found = references(
        pod(
            env=[
                {"name": "A", "value": "plain"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
                {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            envFrom=[{"configMapRef": {"name": "c"}}],
        )
    )
    assert found == {Reference("secrets", "s", optional=True), Reference("configmaps", "c")}


@pytest.mark.parametrize(
    ("container", "complaint"),
    [
        ({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {}}}]}, "resourceFieldRef"),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]}, "fieldRef spec.x"),
        ({"envFrom": [{"configMapRef": {"name": "c"}}]}, "configmaps c does not exist"),
    ],
)
def test_what_is_not_known_here_is_named(container: dict[str, Any], complaint: str) -> None:
    values = {Reference("configmaps", "c"): None}
    with pytest.raises(CannotStart, match=complaint):
        environment_of(pod(**container), "127.0.0.1", values)


def test_command_needs_no_image() -> None:
    assert command_of(pod(command=["python", "$(FILE)"], args=["runtime"]), {"FILE": "a.py"}) == (
        "python",
        "a.py",
        "runtime",
    )
    with pytest.raises(CannotStart, match="container main has no command"):
        command_of(pod(args=["runtime"]), {})


def test_grace_is_the_deletions_own_before_the_pods() -> None:
    assert LocalPod(spec={}).grace_seconds == 30
    assert LocalPod(spec={"terminationGracePeriodSeconds": 0}).grace_seconds == 0
