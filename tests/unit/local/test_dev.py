"""The entry behind the Makefile: when it installs, and what it says when it cannot."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import dev
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with nothing in it but what decides about installing; its environment "has" pip."""
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(dev, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(dev, "STAMP", tmp_path / ".venv" / "stamp")
    return tmp_path


@pytest.fixture
def installs(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """What was installed, time by time, in an environment that works."""
    (checkout / ".venv").mkdir()
    done: list[set[str]] = []
    monkeypatch.setattr(dev, "_runs", lambda _: True)
    monkeypatch.setattr(dev, "_python_version", lambda: sys.version_info[:2])
    monkeypatch.setattr(dev, "_install", done.append)
    return done


def test_installs_once(installs: list[set[str]]) -> None:
    for _ in range(2):
        dev._prepare(dev.DEMO_EXTRAS, dev=False)
    assert installs == [set(dev.DEMO_EXTRAS)], "the demo gets what it uses, and nothing the second time"


def test_demo_after_tests_installs_nothing_more(installs: list[set[str]]) -> None:
    dev._prepare(dev.WORK_EXTRAS, dev=True)
    dev._prepare(dev.DEMO_EXTRAS, dev=False)
    assert installs == [{"all", "dev"}]


def test_tests_after_demo_add_to_it(installs: list[set[str]]) -> None:
    dev._prepare(dev.DEMO_EXTRAS, dev=False)
    dev._prepare(dev.WORK_EXTRAS, dev=True)
    dev._prepare(dev.DEMO_EXTRAS, dev=False)
    assert installs == [set(dev.DEMO_EXTRAS), {*dev.DEMO_EXTRAS, "all", "dev"}]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_installs_again_when_the_versions_change(checkout: Path, installs: list[set[str]], name: str) -> None:
    dev._prepare(dev.DEMO_EXTRAS, dev=False)
    (checkout / name).write_text("two")
    dev._prepare(dev.DEMO_EXTRAS, dev=False)
    assert len(installs) == 2


def test_damaged_stamp_installs_again(installs: list[set[str]]) -> None:
    dev._prepare(dev.DEMO_EXTRAS, dev=False)
    dev.STAMP.write_text(json.dumps(["not", "a", "stamp"]))
    dev._prepare(dev.DEMO_EXTRAS, dev=False)
    assert len(installs) == 2


def test_venv_that_fails_is_one_sentence(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    half = checkout / "python3"
    # As Debian's does without its package: it makes half an environment, then complains.
    half.write_text('#!/bin/sh\nmkdir -p "$3"\necho "ensurepip is not available"\nexit 1\n')
    half.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(half))
    assert dev.main(["check"]) == 1
    version = ".".join(map(str, sys.version_info[:2]))
    assert capsys.readouterr().err == (
        "check: python3 -m venv does not work here: install the package python3-venv "
        f"(Debian and Ubuntu: apt install python{version}-venv) and try again.\n"
    )
    assert not (checkout / ".venv").exists()


def test_unknown_command_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["tset"]) == 2
    assert "demo|up|test|check|bench|bench-scale|" in capsys.readouterr().err


def test_what_one_talks_to_is_installed_by_up_alone(installs: list[set[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "_become", lambda *words: 0)
    monkeypatch.setattr(dev, "_find_binaries", lambda: None)
    assert (dev.main(["demo"]), dev.main(["up"])) == (0, 0)
    assert installs == [set(dev.DEMO_EXTRAS), {*dev.DEMO_EXTRAS, "webrtc"}]


def test_variables_become_flags(installs: list[set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[tuple[str, ...]] = []
    monkeypatch.setattr(dev, "_become", lambda *words: became.append(words) or 0)
    monkeypatch.setattr(dev, "_find_binaries", lambda: None)
    monkeypatch.chdir(tmp_path)
    for name, value in {"PORT": "9000", "PODS": "2", "SLOTS": "3", "AGENT": "my/agent.py"}.items():
        monkeypatch.setenv(name, value)
    assert dev.main(["up"]) == 0
    flags = ["--port", "9000", "--pods", "2", "--slots", "3", "--agent", str(tmp_path / "my" / "agent.py")]
    assert became == [("python", "-m", "greenroom_core.cli", "up", "--dir", ".greenroom", *flags)]


def test_every_command_is_in_the_makefile() -> None:
    root = os.path.dirname(os.path.abspath(dev.__file__))
    for command in ("demo", "up", "test", "check", "bench", "bench-scale", "simulate", "fault", "generate"):
        done = subprocess.run(["make", "-n", "-C", root, command], capture_output=True, text=True, check=True)
        assert f"dev.py {command}" in done.stdout


def test_everything_that_is_installed_is_pinned_and_from_no_address() -> None:
    pins = (dev.ROOT / "constraints.txt").read_text().splitlines()
    marked = r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+(; python_version [!=]= \"3\.\d+\")?"
    assert all(re.fullmatch(marked, pin) for pin in pins)
    pinned = {normal(pin.partition("==")[0]) for pin in pins}
    project = tomllib.loads((dev.ROOT / "pyproject.toml").read_text())
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *itertools.chain(*project["project"]["optional-dependencies"].values()),
        *itertools.chain(*project["dependency-groups"].values()),
    ]
    names = {normal(re.split(r"[^A-Za-z0-9._-]", requirement)[0]) for requirement in wanted}
    assert names - {"greenroom"} <= pinned


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
