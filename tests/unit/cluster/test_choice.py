"""Which cluster it is, and what kind is asked for. kind itself does not run here."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.cluster import Cluster, ClusterUnavailable, Options, cluster, kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOOLS = kind.Tools(Path("/bin/kind"), Path("/bin/kubectl"))
KUBECONFIG = Path("/state/kubeconfig")


def put_docker(folder: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """A docker client, whose daemon answers or not."""
    (folder / "docker").write_text(f'#!/bin/sh\n[ "$*" = info ] && exit {status}\nexit 3\n')
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


async def made_by(monkeypatch: pytest.MonkeyPatch, options: Options) -> str:
    async def load(_: Path) -> None: ...

    def maker(name: str) -> object:
        @asynccontextmanager
        async def make(*_: object) -> AsyncIterator[Cluster]:
            yield Cluster(name, KUBECONFIG, "", "", "", load)

        return make

    monkeypatch.setattr("tests.e2e.cluster.kind.kind_cluster", maker("kind"))
    monkeypatch.setattr("tests.e2e.cluster.node_cluster", maker("node"))
    monkeypatch.setattr("tests.e2e.cluster.given_cluster", maker("given"))
    async with cluster(options, lambda _: None) as made:
        return made.kind


async def test_one_that_is_given_goes_before_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_docker(tmp_path, monkeypatch, 0)
    assert await made_by(monkeypatch, Options(kubeconfig=KUBECONFIG)) == "given"


async def test_kind_makes_it_where_docker_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_docker(tmp_path, monkeypatch, 0)
    assert await made_by(monkeypatch, Options()) == "kind"


async def test_a_docker_without_a_daemon_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_docker(tmp_path, monkeypatch, 1)
    assert await made_by(monkeypatch, Options()) == "node"


async def test_no_docker_at_all_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await made_by(monkeypatch, Options()) == "node"


async def test_a_given_kubeconfig_that_is_no_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnavailable, match="missing is no file"):
        async with cluster(Options(kubeconfig=tmp_path / "missing"), lambda _: None):
            pass


def test_kinds_node_answers_at_ports_of_this_machine_alone() -> None:
    (node,) = json.loads(kind.config(18080, 18443))["nodes"]
    assert [(port["containerPort"], port["hostPort"]) for port in node["extraPortMappings"]] == [
        (80, 18080),
        (443, 18443),
    ]
    assert {port["listenAddress"] for port in node["extraPortMappings"]} == {"127.0.0.1"}


def test_another_kubernetes_is_another_node_image() -> None:
    plain = kind.create_words(TOOLS, "gr1", KUBECONFIG, "")
    older = kind.create_words(TOOLS, "gr1", KUBECONFIG, "kindest/node:v1.32.11")
    assert plain[:4] == ("/bin/kind", "create", "cluster", "--name=gr1")
    assert not any(word.startswith("--image") for word in plain)
    assert older == (*plain, "--image=kindest/node:v1.32.11")


def test_images_and_the_end_are_of_the_cluster_of_that_name() -> None:
    load = kind.load_words(TOOLS, "gr1", Path("/dist/image.tar"))
    assert load == ("/bin/kind", "load", "image-archive", "/dist/image.tar", "--name=gr1")
    delete = kind.delete_words(TOOLS, "gr1", KUBECONFIG)
    assert delete == ("/bin/kind", "delete", "cluster", "--name=gr1", f"--kubeconfig={KUBECONFIG}")


def test_the_ingress_controller_is_the_published_one_of_the_pinned_version() -> None:
    (published, _), (own, given), *waits = kind.ingress_commands(TOOLS, KUBECONFIG)
    assert published[-1] == f"--filename={kind.CONTOUR}"
    assert "/v1.33.8/" in kind.CONTOUR
    assert own[-1] == "--filename=-"
    assert given is not None
    assert json.loads(given)["kind"] == "IngressClass"
    assert [words[-1] for words, _ in waits] == ["deployment/contour", "daemonset/envoy"]
    assert all(f"--kubeconfig={KUBECONFIG}" in words for words, _ in kind.ingress_commands(TOOLS, KUBECONFIG))
