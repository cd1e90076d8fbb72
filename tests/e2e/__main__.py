"""`python -m tests.e2e`: the chart in a real cluster, used as people use it, and one line at the end.

The exit status is 0 when every step passed, or when this machine can make no cluster and nobody requires one.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING

from tests.e2e import image
from tests.e2e.cluster import cluster, prepare
from tests.e2e.cluster.model import ClusterFailed, ClusterUnavailable
from tests.e2e.commands import Helm, Kubectl
from tests.e2e.options import Options, parse
from tests.e2e.runner import run_steps
from tests.e2e.scene import NAMESPACE, Scene
from tests.e2e.steps import STEPS, chosen

from greenroom_local.binaries import find_binaries, find_helm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.e2e.cluster.model import Cluster
    from tests.e2e.runner import Step

_REQUIRED = "cluster"


def main() -> int:
    options = parse()
    steps = chosen(options.only, keep=options.keep)
    if options.list:
        print("\n".join(step.title for step in STEPS))
        return 0
    if not steps:
        print(f"e2e: no step has any of {options.only} in its title", file=sys.stderr)
        return 2
    try:
        return asyncio.run(build() if options.prepare else run(options, steps))
    except ClusterUnavailable as problem:
        return _unavailable(problem)
    except ClusterFailed as problem:
        print(f"e2e: FAILED: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


async def build() -> int:
    """All that takes long and needs no cluster, so that it can be done beside something else."""
    await asyncio.to_thread(prepare, say)
    await image.build(say)
    return 0


async def run(options: Options, steps: Sequence[Step]) -> int:
    """An image, a cluster that has it, the steps, the figures."""
    begun = time.monotonic()
    name = options.image or await image.build(say)
    async with cluster(options.cluster, say) as made:
        if not options.image:
            await made.load_image(image.ARCHIVE)
        say(f"e2e: a cluster ({made.kind}) with the image {name} after {time.monotonic() - begun:.0f} s")
        passed, figures = await _play(made, name, steps, options.cluster.directory / "suite")
        if options.keep and made.kind != "given":
            say(f"e2e: the cluster stays until Ctrl-C: export KUBECONFIG={made.kubeconfig}")
            await asyncio.Event().wait()
    figures += [f"  everything, cluster and all: {time.monotonic() - begun:.0f} s"]
    say("\n".join(["", *figures, ""]))
    if passed:
        say(f"e2e: {len(steps)} steps passed")
    return 0 if passed else 1


async def _play(made: Cluster, name: str, steps: Sequence[Step], folder: Path) -> tuple[bool, list[str]]:
    kubectl = Kubectl(find_binaries().kubectl, made.kubeconfig, NAMESPACE)
    helm = Helm(find_helm(), made.kubeconfig, NAMESPACE)
    async with Scene(made, name, kubectl, helm, folder, say) as scene:
        return await run_steps(scene, steps, say), scene.figures.lines()


def say(text: str) -> None:
    print(text, flush=True)


def _unavailable(problem: ClusterUnavailable) -> int:
    if _REQUIRED in os.environ.get("GREENROOM_REQUIRE", "").split(","):
        print(f"e2e: FAILED: {problem}", file=sys.stderr)
        return 1
    print(f"e2e: SKIPPED, nothing was run: {problem}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
