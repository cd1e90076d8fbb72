"""What `.github` may hold: pinned actions, make targets that exist, no right that is not needed.

actionlint, which knows GitHub's own rules, runs in `make check`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from greenroom_local.binaries import pins

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

Body = dict[str, Any]


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def body(path: Path) -> Body:
    # YAML 1.1 reads the key `on` as true.
    parsed: Body = yaml.safe_load(path.read_text())
    return parsed


def steps(path: Path) -> Iterator[Body]:
    for job in body(path)["jobs"].values():
        yield from job["steps"]


def test_there_are_those_that_the_docs_tell_of() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "release"]


def test_every_command_is_a_make_target(workflow: Path) -> None:
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands
    for command in commands:
        words = command.split()
        assert len(words) == 2, f"{command!r} is more than one make target"
        assert words[0] == "make"
        assert words[1] in TARGETS, f"the Makefile has no target {words[1]!r}"


def test_a_make_target_is_a_command_of_dev_py() -> None:
    said = subprocess.run([sys.executable, ROOT / "dev.py"], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert set(said.stderr.split()[-1].split("|")) == TARGETS


def test_every_action_is_pinned_by_its_commit(workflow: Path) -> None:
    lines = [line.strip() for line in workflow.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.fullmatch(r"(- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_one_pin_everywhere() -> None:
    pinned: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, pin in re.findall(r"uses: ([\w./-]+)@(.*)", path.read_text()):
            pinned.setdefault(action, set()).add(pin)
    assert {action: pin for action, pin in pinned.items() if len(pin) > 1} == {}


def test_rights_are_the_least(workflow: Path) -> None:
    whole = body(workflow)
    assert whole["permissions"] == {"contents": "read"}
    for name, job in whole["jobs"].items():
        extra = {right: value for right, value in job.get("permissions", {}).items() if value != "read"}
        assert extra == ({"packages": "write"} if workflow.stem == "release" else {}), name


def test_no_checkout_leaves_its_token_behind(workflow: Path) -> None:
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_nothing_from_outside_becomes_part_of_a_command(workflow: Path) -> None:
    assert not [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")]


def test_runs_end_and_do_not_pile_up(workflow: Path) -> None:
    whole = body(workflow)
    assert "github.ref" in whole["concurrency"]["group"]
    for name, job in whole["jobs"].items():
        assert job["timeout-minutes"] <= 90, name


def test_all_pythons_of_the_package_are_tried() -> None:
    declared = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    matrix = body(FOLDER / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert [one["python"] for one in matrix] == declared


def test_the_oldest_kubernetes_of_the_chart_is_tried() -> None:
    oldest = ".".join(map(str, pins.OLDEST_KUBERNETES))
    chart = yaml.safe_load((ROOT / "charts" / "greenroom" / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={oldest}.0-0"
    tried = body(FOLDER / "ci.yml")["jobs"]["e2e"]["strategy"]["matrix"]["include"]
    assert tried[0]["kubernetes"] == oldest
    for one in tried:
        assert re.fullmatch(rf"kindest/node:v{one['kubernetes']}\.\d+@sha256:[0-9a-f]{{64}}", one["node"])


def test_every_folder_that_dependabot_looks_at_is_there() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    for update in updates:
        for folder in update.get("directories", [update.get("directory")]):
            assert glob(f"{ROOT}{folder}"), folder
