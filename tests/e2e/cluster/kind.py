"""A cluster in Docker, made by kind, with contour's published manifests and images as the ingress controller."""

from __future__ import annotations

import asyncio
import json
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.e2e.cluster.commands import CommandFailed, run
from tests.e2e.cluster.model import Cluster, ClusterFailed, ClusterUnavailable
from tests.e2e.cluster.node import ingress
from tests.e2e.cluster.node.layout import Layout

from greenroom_local.binaries import NotFound, find_binaries, find_kind, pins
from greenroom_local.ports import LOOPBACK, free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.e2e.cluster.model import Options, Say

CONTOUR = (
    f"https://raw.githubusercontent.com/projectcontour/contour/v{pins.CONTOUR_VERSION}/examples/render/contour.yaml"
)
_CREATE_SECONDS = 900.0
_READY_SECONDS = 300
_DOCKER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Tools:
    """The two programs that this takes beside Docker."""

    kind: Path
    kubectl: Path


def docker_answers() -> bool:
    """Whether there is a Docker with a daemon behind it: the client alone makes no cluster."""
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, timeout=_DOCKER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def prepare(say: Say) -> Tools:
    """Get what is missing. Raises ClusterUnavailable."""
    try:
        tools = Tools(find_kind(), find_binaries().kubectl)
    except NotFound as problem:
        raise ClusterUnavailable(str(problem)) from None
    say(f"Docker answers, so the cluster is kind's: {tools.kind}")
    return tools


@asynccontextmanager
async def kind_cluster(options: Options, say: Say) -> AsyncIterator[Cluster]:
    """Up with an ingress controller inside, deleted after. Raises ClusterUnavailable, ClusterFailed."""
    tools = await asyncio.to_thread(prepare, say)
    layout = Layout(options.directory.resolve())
    layout.directory.mkdir(parents=True, exist_ok=True)
    kubeconfig = layout.directory / "kubeconfig"
    http, https = free_ports(2)
    # One that a crash has left under our name goes first.
    await _run(delete_words(tools, layout.name, kubeconfig))
    try:
        say(f"kind creates the cluster {layout.name}")
        create = create_words(tools, layout.name, kubeconfig, options.kind_image)
        await _run(create, given=config(http, https), seconds=_CREATE_SECONDS)
        say("starting the ingress controller")
        for words, text in ingress_commands(tools, kubeconfig):
            await _run(words, given=text, seconds=_CREATE_SECONDS)
        yield Cluster(
            "kind",
            kubeconfig,
            f"http://{LOOPBACK}:{http}",
            f"https://{LOOPBACK}:{https}",
            ingress.CLASS,
            partial(_load, tools, layout.name),
        )
    finally:
        await _run(delete_words(tools, layout.name, kubeconfig))


def config(http: int, https: int) -> str:
    """JSON, which is YAML: one node, whose ports 80 and 443 are these ports of this machine."""
    mapped = [
        {"containerPort": inner, "hostPort": outer, "listenAddress": LOOPBACK, "protocol": "TCP"}
        for inner, outer in ((80, http), (443, https))
    ]
    node = {"role": "control-plane", "extraPortMappings": mapped}
    return json.dumps({"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]})


def create_words(tools: Tools, name: str, kubeconfig: Path, image: str) -> tuple[str, ...]:
    """`image` is empty for the one that this kind was made for."""
    words = (str(tools.kind), "create", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig}", "--config=-")
    return (*words, f"--wait={_READY_SECONDS}s", *((f"--image={image}",) if image else ()))


def load_words(tools: Tools, name: str, archive: Path) -> tuple[str, ...]:
    return (str(tools.kind), "load", "image-archive", str(archive), f"--name={name}")


def delete_words(tools: Tools, name: str, kubeconfig: Path) -> tuple[str, ...]:
    """No error where there is none of this name."""
    return (str(tools.kind), "delete", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig}")


def ingress_commands(tools: Tools, kubeconfig: Path) -> tuple[tuple[tuple[str, ...], str | None], ...]:
    """Words and what they are given to read, in order. Envoy takes the node's ports 80 and 443."""
    kubectl = (str(tools.kubectl), f"--kubeconfig={kubeconfig}")
    apply = (*kubectl, "apply", "--server-side")
    status = (*kubectl, "rollout", "status", f"--namespace={ingress.NAMESPACE}", f"--timeout={_READY_SECONDS}s")
    return (
        ((*apply, f"--filename={CONTOUR}"), None),
        ((*apply, "--filename=-"), json.dumps(ingress.ingress_class())),
        ((*status, "deployment/contour"), None),
        ((*status, "daemonset/envoy"), None),
    )


async def _load(tools: Tools, name: str, archive: Path) -> None:
    await _run(load_words(tools, name, archive), seconds=_CREATE_SECONDS)


async def _run(words: tuple[str, ...], given: str | None = None, seconds: float = 120.0) -> None:
    try:
        await run(words, given=given, seconds=seconds)
    except CommandFailed as problem:
        raise ClusterFailed(str(problem)) from None
