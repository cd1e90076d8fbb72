"""Only permitted licences come with the project, and docs/licences.md says which ones come."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

import pytest
from tests import licences

if TYPE_CHECKING:
    from pathlib import Path

PARTS = licences.parts()


@pytest.mark.parametrize("part", PARTS)
def test_only_permitted_licences_come(part: str) -> None:
    packages = licences.brought(part, PARTS, licences.installed())
    assert packages
    found = list(licences.complaints(part, packages))
    assert not found, "\n".join(
        [*found, "Another package, another extra, or a line in tests/licences.py with a reason."]
    )


def test_the_proprietary_ones_are_in_their_extra_and_the_test_tools_alone() -> None:
    present = licences.installed()
    beyond = frozenset().union(*licences.BEYOND.values())
    with_them = {part for part in PARTS if beyond & {one.name for one in licences.brought(part, PARTS, present)}}
    assert with_them == {"getstream", "vendors", "webrtc", "whisper"} == licences.BEYOND.keys()


def test_the_reviewed_are_here_and_still_need_it() -> None:
    present = licences.installed()
    for name in licences.REVIEWED:
        clear = licences.permitted(licences.stated(present[name]))
        assert not clear or licences.carried(present[name]), f"{name} says its licence itself now: drop the review"
    assert {"libx264", "libx265"} <= set(licences.carried(present["av"])), "av is free of them: drop the review"


@pytest.mark.skipif(
    (sys.version_info[:2], sys.platform, platform.machine()) != ((3, 11), "linux", "x86_64"),
    reason="the tables are those of Python 3.11 on Linux, x86_64",
)
def test_the_document_says_what_is_installed() -> None:
    document = (licences.ROOT / "docs" / "licences.md").read_text()
    assert document.endswith(licences.tables()), "docs/licences.md: replace the tables by `python -m tests.licences`"
    for name, (licence, why) in licences.REVIEWED.items():
        assert f"| {name} | {licence} | {why} |" in document


# --- that it would notice ---


def add(folder: Path, name: str, *lines: str, files: tuple[str, ...] = ()) -> None:
    """Install, as far as metadata goes, a package in `folder`."""
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *lines]))
    (information / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def complaints(folder: Path, part: str, **declared: list[str]) -> list[str]:
    return list(licences.complaints(part, licences.brought(part, declared, licences.installed(path=[str(folder)]))))


def test_a_package_is_named_with_its_licence_and_what_brings_it(tmp_path: Path) -> None:
    add(tmp_path, "Fine", "License-Expression: MIT", "Requires-Dist: odd.one>=1; extra == 'more'")
    add(tmp_path, "odd-one", "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)")
    assert complaints(tmp_path, "voice", voice=["fine"]) == []
    named = "brings in odd-one (through fine) under: GNU General Public License v3 (GPLv3)"
    assert complaints(tmp_path, "voice", voice=["fine[more]"]) == [f"`voice` {named}"]
    assert complaints(tmp_path, "all", all=["greenroom[voice]"], voice=["fine[more]"]) == [f"`all` {named}"]
    assert complaints(tmp_path, "base", base=["fine[more]"]) == [f"the base {named}"]


def test_markers_decide_what_is_asked_for(tmp_path: Path) -> None:
    add(tmp_path, "odd", "License: Proprietary")
    assert complaints(tmp_path, "voice", voice=["odd; python_version < '3'"]) == []
    assert complaints(tmp_path, "voice", voice=["odd; python_version > '3'"]) == [
        "`voice` brings in odd under: Proprietary"
    ]


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        ([], "none stated"),
        (["License: UNKNOWN"], "none stated"),
        (["License: MIT", "Classifier: License :: Other/Proprietary License"], "MIT AND Other/Proprietary License"),
        (["License-Expression: MIT AND LGPL-3.0-only"], "MIT AND LGPL-3.0-only"),
        (["License-Expression: (MIT OR GPL-3.0-only) AND BSD-2-Clause"], "(MIT OR GPL-3.0-only) AND BSD-2-Clause"),
    ],
)
def test_what_is_not_surely_permitted_is_refused(tmp_path: Path, lines: list[str], licence: str) -> None:
    add(tmp_path, "odd", *lines)
    assert complaints(tmp_path, "voice", voice=["odd"]) == [f"`voice` brings in odd under: {licence}"]


@pytest.mark.parametrize(
    "lines",
    [
        ["License-Expression: MIT OR GPL-3.0-only"],
        ["License: MIT OR Apache-2.0", "Classifier: License :: OSI Approved :: MIT License"],
        ["License: 3-Clause BSD License", "Classifier: License :: OSI Approved :: BSD License"],
        ["Classifier: License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)"],
    ],
)
def test_what_is_permitted_passes(tmp_path: Path, lines: list[str]) -> None:
    add(tmp_path, "fine", *lines)
    assert complaints(tmp_path, "voice", voice=["fine"]) == []


@pytest.mark.parametrize("file", ["odd.libs/libx264-0b814221.so.165", "odd/.dylibs/libx264.165.dylib"])
def test_a_library_inside_a_wheel_is_seen(tmp_path: Path, file: str) -> None:
    add(tmp_path, "odd", "License: MIT", files=("odd/core.so", "odd.libs/libgomp-870cb1d0.so.1.0.0", file))
    assert complaints(tmp_path, "voice", voice=["odd"]) == ["`voice` brings in odd with libx264 under: not reviewed"]


def test_what_is_not_installed_is_not_taken_for_permitted(tmp_path: Path) -> None:
    assert complaints(tmp_path, "voice", voice=["absent"]) == ["`voice` brings in absent under: not installed"]
