"""Where credentials are found, and that a rotated token is used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenroom_core.clock import SystemClock
from greenroom_core.kube.auth import NoCredentials, discover
from greenroom_local.certificates import make_certificates

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_certificates(tmp_path_factory.mktemp("pki"), SystemClock().wall()).ca.read_bytes()


@pytest.fixture
def service_account(tmp_path: Path, authority: bytes) -> Callable[..., dict[str, str]]:
    """Makes the folder of a service account and gives the environment of a pod that has it."""

    def make(host: str = "10.0.0.1") -> dict[str, str]:
        (tmp_path / "token").write_text("first\n")
        (tmp_path / "namespace").write_text("calls\n")
        (tmp_path / "ca.crt").write_bytes(authority)
        return {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": "6443",
            "GREENROOM_SERVICEACCOUNT_DIR": str(tmp_path),
        }

    return make


def test_service_account_of_a_pod_gives_server_namespace_and_token(
    service_account: Callable[..., dict[str, str]],
) -> None:
    found = discover(service_account())
    assert (found.server, found.namespace, found.token()) == ("https://10.0.0.1:6443", "calls", "first")


def test_address_of_version_6_is_put_in_brackets(service_account: Callable[..., dict[str, str]]) -> None:
    assert discover(service_account("fd00::1")).server == "https://[fd00::1]:6443"


def test_rotated_token_is_used_from_the_next_request_on(
    service_account: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    found = discover(service_account())
    assert found.token() == "first"
    file = tmp_path / "token"
    file.write_text("second")
    os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns + 1_000_000))
    assert found.token() == "second"


def test_without_service_account_and_kubeconfig_the_text_says_what_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(NoCredentials, match="set KUBECONFIG, or run in a pod") as failed:
        discover({"GREENROOM_SERVICEACCOUNT_DIR": str(tmp_path / "none")})
    assert str(tmp_path / "none") in str(failed.value)
