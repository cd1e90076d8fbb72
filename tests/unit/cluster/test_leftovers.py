"""What a crash leaves: its processes are ended if they are still its own, its files go, its logs stay."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.e2e.cluster.node.layout import Layout
from tests.e2e.cluster.node.leftovers import clear_files, end_holder
from tests.e2e.cluster.node.space import identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a node needs Linux")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_the_holder_of_a_node_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    (tmp_path / "holder").write_text(identity(sleeper.pid))
    assert end_holder(tmp_path / "holder")
    assert sleeper.wait(timeout=10) == -9


def test_a_stranger_with_the_same_number_lives_on(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    number, started = identity(sleeper.pid).split()
    (tmp_path / "holder").write_text(f"{number} {int(started) - 1}")
    assert not end_holder(tmp_path / "holder")
    assert sleeper.poll() is None


@pytest.mark.parametrize("said", ["", "nonsense", "4194999 1"])
def test_a_file_that_names_nobody_is_no_error(tmp_path: Path, said: str) -> None:
    (tmp_path / "holder").write_text(said)
    assert not end_holder(tmp_path / "holder")
    assert not end_holder(tmp_path / "none")


def test_keys_and_data_go_and_logs_stay(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    (layout.plane / "pki").mkdir(parents=True)
    (layout.plane / "kubeconfig").write_text("a key")
    (layout.logs / "kubelet.log").write_text("the cause")
    layout.holder.write_text("1 1")
    clear_files(layout)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["kubelet.log", "logs", "plane", "pod-logs"]


def test_an_earlier_nodes_logs_go_when_the_next_begins(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    (layout.logs / "kubelet.log").write_text("the cause")
    layout.make()
    assert list(layout.logs.iterdir()) == []


def test_two_checkouts_do_not_meet(tmp_path: Path) -> None:
    names = {Layout(tmp_path / folder).name for folder in ("one", "two")}
    assert len(names) == 2
    assert all(len(name) <= 15 for name in names), "the kernel takes no longer names for a network's ends"
