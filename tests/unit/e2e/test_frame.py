"""The frame of the end-to-end suite: what it says, when it stops, what it takes. No cluster."""

from __future__ import annotations

import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e import waiting
from tests.e2e.cluster.model import Cluster
from tests.e2e.commands import Helm, Kubectl, run
from tests.e2e.options import parse
from tests.e2e.runner import Step, run_steps
from tests.e2e.scene import ROOT, Scene
from tests.e2e.steps import STEPS, chosen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def _no_loader(_: Path) -> None: ...


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene whose kubectl only tells that it was asked."""
    program = tmp_path / "kubectl"
    program.write_text('#!/bin/sh\necho "asked: $*"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    cluster = Cluster("given", tmp_path / "kubeconfig", "", "https://127.0.0.1:1", "contour", _no_loader)
    programs = (Kubectl(program, cluster.kubeconfig, "ours"), Helm(program, cluster.kubeconfig, "ours"))
    async with Scene(cluster, "greenroom:dev", *programs, tmp_path, print) as made:
        yield made


async def test_steps_are_told_one_by_one(scene: Scene) -> None:
    async def well(_: Scene) -> None: ...

    told: list[str] = []
    assert await run_steps(scene, [Step("first", well), Step("second", well)], told.append)
    assert [line.rpartition(" (")[0] for line in told] == ["e2e: ok 01 first", "e2e: ok 02 second"]


async def test_the_first_that_fails_is_the_last_and_what_is_known_is_told(scene: Scene) -> None:
    async def badly(_: Scene) -> None:
        raise AssertionError("the pod is gone")

    async def never(_: Scene) -> None:
        pytest.fail("a step ran after one that had failed")

    told: list[str] = []
    assert not await run_steps(scene, [Step("first", badly), Step("second", never)], told.append)
    assert told[0].startswith("e2e: FAILED 01 first (")
    assert told[-1] == "e2e: FAILED 01 first: AssertionError: the pod is gone"
    assert any("asked: --namespace ours get events" in line for line in told)


async def test_a_wait_tells_what_it_saw_last() -> None:
    async def not_yet() -> bool:
        raise AssertionError("two pods are not ready")

    with pytest.raises(AssertionError, match="still not: all are ready; last seen: two pods are not ready"):
        await waiting.until(not_yet, "all are ready", print, seconds=0)


async def test_a_command_that_does_not_end_is_ended() -> None:
    begun = time.monotonic()
    with pytest.raises(AssertionError, match="sleep 60 did not end within 0 s"):
        await run(["sleep", "60"], {"PATH": "/usr/bin:/bin"}, seconds=0.2)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("greenroom:dev", ("greenroom", "dev", "")),
        ("registry.example.com:5000/voice/greenroom", ("registry.example.com:5000/voice/greenroom", "", "")),
        ("ghcr.io/o/greenroom:1@sha256:ab", ("ghcr.io/o/greenroom", "1", "sha256:ab")),
    ],
)
def test_an_image_becomes_values(scene: Scene, image: str, expected: tuple[str, str, str]) -> None:
    scene.image = image
    values: dict[str, Any] = scene.values()["image"]
    assert (values["repository"], values["tag"], values["digest"]) == expected


def test_a_cluster_that_is_there_takes_an_image_and_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--kubeconfig", "k"])
    assert "--image and --ingress-https" in capsys.readouterr().err
    options = parse(["--kubeconfig", "k", "--image", "i", "--ingress-https", "https://10.0.0.1:443"])
    assert (options.cluster.kubeconfig, options.image) == (Path("k"), "i")


def test_steps_are_chosen_by_words_and_a_kept_release_is_not_uninstalled() -> None:
    assert len({step.title for step in STEPS}) == len(STEPS)
    assert [step.title for step in chosen(["HELM INSTALL"])] == [STEPS[0].title]
    kept = {step.title for step in chosen(keep=True)}
    assert not [title for title in kept if "uninstall" in title]
    assert len(kept) < len(STEPS)


def test_the_documentation_tells_each_step_in_its_order() -> None:
    told = re.findall(r"^\d+\. (.+)$", (ROOT / "docs" / "e2e.md").read_text(), re.MULTILINE)
    assert told == [step.title for step in STEPS]
