"""Which browser the tests use, and what is said where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greenroom_local.binaries import NotFound, find_chromium

if TYPE_CHECKING:
    from pathlib import Path


def program(path: Path, said: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{said}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_one_on_the_path(tmp_path: Path, name: str) -> None:
    wanted = program(tmp_path / name, "Google Chrome 131.0.6778.85")
    assert find_chromium({"PATH": str(tmp_path)}) == wanted


def test_the_one_that_is_named(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "chromium", "Chromium 140.0.1.2")
    wanted = program(tmp_path / "mine", "Chromium 150.0.1.2 built on Debian")
    assert find_chromium({"PATH": str(tmp_path / "bin"), "GREENROOM_CHROMIUM": str(wanted)}) == wanted


def test_what_is_named_and_will_not_do_is_told(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "chromium", "Chromium 140.0.1.2")
    old = program(tmp_path / "old", "Chromium 99.0.1.2")
    with pytest.raises(NotFound, match=r"old is version 99\.0\.1, needed is 120 or newer: install one with"):
        find_chromium({"PATH": str(tmp_path / "bin"), "GREENROOM_CHROMIUM": str(old)})


def test_none_is_one_line_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom_local.binaries.chromium._MACOS", ())
    with pytest.raises(NotFound) as problem:
        find_chromium({"PATH": str(tmp_path)})
    assert str(problem.value) == (
        "There is no Chromium here: install one with the system's package manager (Debian: apt-get install chromium) "
        "or name one in GREENROOM_CHROMIUM."
    )
