"""Where a node can be had, and what is said where it cannot."""

from __future__ import annotations

import pytest
from tests.e2e.cluster import ClusterUnavailable
from tests.e2e.cluster.node import machine

ALL = "CapEff:\t000001ffffffffff\n"
DOCKERS_DEFAULT = "Name:\tpython\nCapEff:\t00000000a80425fb\n"


def test_everybody_but_root_is_told_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ClusterUnavailable, match=r"needs root.*--kubeconfig"):
        machine.check()


def test_another_system_is_told_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(ClusterUnavailable, match=r"needs Linux, and this is darwin: .*--kubeconfig"):
        machine.check()


def test_root_in_a_container_lacks_what_a_node_needs() -> None:
    assert machine.missing_capabilities(ALL) == []
    assert machine.missing_capabilities(DOCKERS_DEFAULT) == ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]


def test_only_packages_whose_programs_are_missing_are_installed() -> None:
    here = {"ip", "unshare", "nsenter", "runc", "containerd"}
    assert machine.missing_packages(here.__contains__, has_plugins=True) == ["containerd", "nftables"]
    assert machine.missing_packages(machine.PACKAGES.__contains__, has_plugins=True) == []
    assert machine.missing_packages(machine.PACKAGES.__contains__, has_plugins=False) == [machine.CNI_PACKAGE]


def test_without_apt_the_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(ClusterUnavailable, match=r"containerd, .*nftables.* no apt-get"):
        machine.install_packages(lambda _: None)
