"""What `local.Edge` says when it cannot work, before any call."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.unit.plugins_webrtc.test_offers import sdp

from greenroom.plugins import local

WITHOUT = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name.partition(".")[0] in ("aiortc", "av") else find(name, *rest)
)
from greenroom.plugins import local
try:
    local.Edge("v=0")
except ModuleNotFoundError as error:
    print(error.name, error)
"""


def test_without_the_extra_it_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout == "aiortc local.Edge needs the package of 'aiortc': pip install 'greenroom[webrtc]'\n"


def test_its_import_brings_no_library() -> None:
    code = "import sys; from greenroom.plugins import local; local.Edge; print({'aiortc', 'av'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_bad_offer_is_refused_when_it_is_made() -> None:
    pytest.importorskip("aiortc", reason="the extra `webrtc` is not installed")
    with pytest.raises(ValueError, match="the offer is not SDP"):
        local.Edge("hello")


def test_no_secret_is_shown() -> None:
    pytest.importorskip("aiortc", reason="the extra `webrtc` is not installed")
    edge = local.Edge(sdp(), turn_url="turn:turn.example.com", turn_username="me", turn_credential="s3cret")
    assert "s3cret" not in f"{edge!r} {vars(edge)!r}"
