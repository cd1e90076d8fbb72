"""What a build is lent of this machine: how to reach a package index, and nothing else."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from greenroom_local.image import trust

LISTED = r"""
:env:.cert='/variable/ca.pem'
:env:.default-timeout='180'
global.cert='/file/ca.pem'
global.extra-index-url='https://one.example/simple\nhttps://two.example/simple'
global.index-url='https://name:100%25@index.example/simple'
global.target='/somewhere'
install.find-links='/wheels https://wheels.example'
list.format='columns'
"""


def written(found: dict[str, str], bundle: bool) -> dict[str, str]:
    """The configuration as pip reads it."""
    parser = configparser.RawConfigParser()
    parser.read_string(trust.configuration(found, bundle))
    return dict(parser["global"])


def test_a_variable_goes_before_a_file() -> None:
    assert trust.settings(LISTED)["cert"] == "/variable/ca.pem"
    assert trust.settings("install.proxy='b'\nglobal.proxy='a'")["proxy"] == "b"


def test_only_the_way_to_the_index_is_lent() -> None:
    assert written(trust.settings(LISTED), bundle=True) == {
        "cert": "/run/secrets/ca.pem",
        "extra-index-url": "https://one.example/simple https://two.example/simple",
        "find-links": "https://wheels.example",
        "index-url": "https://name:100%25@index.example/simple",
        "timeout": "180",
    }


def test_without_settings_there_is_nothing_to_say() -> None:
    assert written(trust.settings(""), bundle=False) == {}
    assert written({"find-links": "/wheels"}, bundle=False) == {}


def test_pips_own_certificates_come_first_then_a_variables(tmp_path: Path) -> None:
    first, second = tmp_path / "first.pem", tmp_path / "second.pem"
    second.touch()
    environment = {"REQUESTS_CA_BUNDLE": str(second), "SSL_CERT_FILE": str(tmp_path)}
    assert trust.certificates({"cert": str(first)}, environment) == second, "what is not there cannot be lent"
    first.touch()
    assert trust.certificates({"cert": str(first)}, environment) == first


@pytest.mark.parametrize("failing", [False, True])
def test_the_secrets_are_gone_after_the_build(tmp_path: Path, failing: bool) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("certificates")
    try:
        with trust.lent("global.index-url='https://secret.example'", {"PIP_CERT": str(bundle)}) as secrets:
            assert secrets.files["ca.pem"].read_text() == "certificates"
            assert "secret.example" in secrets.files["pip.conf"].read_text()
            assert secrets.files["pip.conf"].parent.stat().st_mode & 0o077 == 0
            assert secrets.flags() == [f"--secret=id={name},src={file}" for name, file in secrets.files.items()]
            if failing:
                raise RuntimeError
    except RuntimeError:
        assert failing
    assert not any(file.exists() for file in secrets.files.values())
