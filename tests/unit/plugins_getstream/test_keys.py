"""Where the keys come from, what is said when they are missing, and where they do not go."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("getstream_rtc", reason="the test tools of the group `vendors` are not installed")

from greenroom.plugins import getstream
from greenroom.plugins.getstream.keys import DEFAULT_BASE_URL, Keys

ROOT = Path(__file__).parents[3]
BOTH = {"STREAM_API_KEY": "key", "STREAM_API_SECRET": "secret"}


@pytest.mark.parametrize("missing", sorted(BOTH))
@pytest.mark.parametrize("how", ["absent", "empty", "blank"])
def test_a_missing_key_is_one_sentence_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, missing: str, how: str
) -> None:
    for name, value in BOTH.items():
        monkeypatch.setenv(name, value)
    if how == "absent":
        monkeypatch.delenv(missing)
    else:
        monkeypatch.setenv(missing, "" if how == "empty" else "  ")
    with pytest.raises(getstream.MissingKeyError) as refused:
        getstream.Edge()
    assert missing in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value).replace("api_secret", "")


def test_arguments_win_over_the_environment() -> None:
    environment = {**BOTH, "STREAM_BASE_URL": "http://there/"}
    assert Keys.found(environment=environment) == Keys("key", "secret", "http://there")
    assert Keys.found("mine", environment=BOTH) == Keys("mine", "secret", DEFAULT_BASE_URL)
    assert Keys.found("a", "b", "http://here", environment=environment) == Keys("a", "b", "http://here")


def test_the_secret_is_in_no_repr() -> None:
    keys = Keys("key", "the-secret")
    assert "the-secret" not in repr(keys)
    assert keys.without_secret("x the-secret y") == "x [redacted] y"


@pytest.mark.parametrize("absent", ["getstream", "getstream_rtc"])
def test_without_the_sdk_the_import_says_what_to_install(absent: str) -> None:
    code = f"import sys; sys.modules[{absent!r}] = None\nfrom greenroom.plugins import getstream"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.splitlines()[-1] == (
        f"ModuleNotFoundError: greenroom.plugins.getstream needs Stream's SDK, and there is no module {absent!r}: "
        "pip install 'greenroom[getstream]'"
    )


def test_the_library_and_its_other_plugins_do_not_import_the_sdk() -> None:
    code = (
        "import sys, greenroom, greenroom.plugins, greenroom.plugins.wav\n"
        "print(*(name for name in ('getstream', 'getstream_rtc', 'aiortc', 'av') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


def test_the_edge_needs_nothing_under_gpl() -> None:
    code = (
        "import sys\nfrom greenroom.plugins import getstream\ngetstream.Edge('a', 'b')._coordinator._open()\n"
        "print(*(name for name in ('aiortc', 'av') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


def test_the_sdk_is_in_its_own_extra_alone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    with_it = {name for name, wanted in extras.items() if any(one.startswith("getstream") for one in wanted)}
    assert with_it == {"getstream"}
    assert not any("getstream" in one for one in (*project["dependencies"], *extras["all"]))
