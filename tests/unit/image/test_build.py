"""The order of a build, with a docker that only notes what it is asked; `make e2e` has real builders."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from greenroom_local.image import Unbuildable, build, inputs, prepare
from greenroom_local.image.commands import Log, answers

ROOT = Path(__file__).parents[3]
# Notes its arguments; a `save` and a `push` leave an archive.
DOCKER = """#!/bin/sh
echo "docker $*" >>"$NOTES"
[ "$1" = "$FAILS" ] && { echo "it broke"; exit 3; }
[ "$1" = save ] && echo archive >"$3"
exit 0
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a Docker that answers; its notes are in `notes`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "docker").write_text(DOCKER)
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("FAILS", "")
    return tmp_path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small checkout: every file that an image is made of."""
    folder = tmp_path / "checkout"
    for file in inputs.files(ROOT):
        copy = folder / file.relative_to(ROOT)
        if file.suffix != ".py" or file.parent.name in ("examples", "model"):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    return folder


def notes(machine: Path) -> list[str]:
    lines = (machine / "notes").read_text().splitlines()
    (machine / "notes").unlink()
    return [line.split()[1] for line in lines]


async def test_docker_builds_where_it_answers(machine: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.example")
    said: list[str] = []
    archive = machine / "out" / "image.tar"
    await build("greenroom:test", archive, said.append, checkout)
    asked = (machine / "notes").read_text()
    assert notes(machine) == ["info", "build", "save"]
    assert f"--file {checkout}/deploy/Dockerfile --tag greenroom:test {checkout}" in asked
    assert "--secret=id=pip.conf,src=" in asked
    assert "--build-arg=HTTPS_PROXY " in asked
    assert "secret@proxy" not in asked
    assert archive.read_text() == "archive\n"
    assert [line.split(",")[0] for line in said] == ["building greenroom:test", f"greenroom:test: {archive}"]


async def test_an_image_is_kept_until_a_file_of_it_changes(machine: Path, checkout: Path) -> None:
    archive = machine / "image.tar"
    said: list[str] = []
    await build("greenroom:test", archive, said.append, checkout)
    notes(machine)
    await build("greenroom:test", archive, said.append, checkout)
    assert not (machine / "notes").exists()
    assert said[-1] == f"{archive} is greenroom:test as it stands"
    await build("greenroom:other", archive, said.append, checkout)
    assert "save" in notes(machine), "another name"
    (checkout / "examples" / "basic.py").write_text("changed")
    await build("greenroom:other", archive, said.append, checkout)
    assert "save" in notes(machine), "another file"
    archive.write_text("cut sho")
    await build("greenroom:other", archive, said.append, checkout)
    assert "save" in notes(machine), "another archive"


@pytest.mark.parametrize("step", ["build", "save"])
async def test_a_failure_shows_the_last_lines_and_leaves_the_old_archive(
    machine: Path, checkout: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = machine / "image.tar"
    archive.write_text("older")
    monkeypatch.setenv("FAILS", step)
    with pytest.raises(Unbuildable, match=f"docker {step} … failed(.|\n)*it broke"):
        await build("greenroom:test", archive, lambda line: None, checkout)
    assert archive.read_text() == "older"
    assert not archive.with_suffix(".json").exists()


async def test_without_docker_only_root_builds(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "info")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Unbuildable, match="start Docker"):
        await prepare(lambda line: None, machine / "image.tar")


async def test_a_build_that_is_called_off_ends_what_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    log = Log(tmp_path / "log")
    run = asyncio.create_task(log.run("sh", "-c", f"echo $$ >{pid}; exec sleep 600"))
    async with asyncio.timeout(20):
        while not (pid.exists() and pid.read_text()):
            await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unbuildable, match="no-such-program is not installed"):
        await Log(tmp_path / "log").run("no-such-program")
    assert await answers("no-such-program") is None
    assert await answers("false") is None
    assert await answers("echo", "yes") == "yes"


def test_the_receipt_is_plain(tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_text("1234")
    receipt = inputs.Receipt("greenroom:dev", "abc")
    assert not receipt.is_of(archive)
    receipt.write(archive)
    assert receipt.is_of(archive)
    assert json.loads((tmp_path / "image.json").read_text()) == {"name": "greenroom:dev", "inputs": "abc", "bytes": 4}
