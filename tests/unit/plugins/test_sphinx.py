"""What is said where pocketsphinx is not installed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from greenroom.plugins.local import sphinx

PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"


def brought_by_the_extra(python: str) -> bool:
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    [found] = [one for one in map(Requirement, extras["local"]) if one.name == "pocketsphinx"]
    return found.marker is None or found.marker.evaluate({"python_version": python})


@pytest.mark.parametrize("minor", [11, 12, 13, 14, 15])
def test_the_extra_is_the_way_out_where_it_brings_it(minor: int) -> None:
    error = sphinx.missing((3, minor))
    assert error.name == "pocketsphinx"
    assert ("greenroom[local]" in str(error)) is brought_by_the_extra(f"3.{minor}")


def test_where_there_is_no_wheel_other_ears_are_named() -> None:
    assert str(sphinx.missing((3, 14))) == (
        "local.STT needs pocketsphinx: it has no wheel for Python 3.14, so take Python 3.13, "
        "or local.Whisper: pip install 'greenroom[whisper]'"
    )


def test_a_process_without_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sphinx, "find_spec", lambda _: None)
    monkeypatch.setattr(sphinx, "shared", lambda _, load: load())
    with pytest.raises(ImportError, match=r"^local\.STT needs pocketsphinx: "):
        sphinx.Decoder()
