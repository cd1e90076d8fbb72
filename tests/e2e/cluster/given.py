"""A cluster that is there already: taken as it is, left as it is."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.e2e.cluster.commands import CommandFailed, run
from tests.e2e.cluster.model import Cluster, ClusterUnavailable

from greenroom_local.binaries import NotFound, find_binaries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.e2e.cluster.model import Options

_ANSWER_SECONDS = 30.0


@asynccontextmanager
async def given_cluster(options: Options, kubeconfig: Path) -> AsyncIterator[Cluster]:
    """The one behind `kubeconfig`. Raises ClusterUnavailable when it does not answer."""
    await _check(kubeconfig)
    yield Cluster("given", kubeconfig, options.ingress_http, options.ingress_https, options.ingress_class, _cannot_load)


async def _check(kubeconfig: Path) -> None:
    if not kubeconfig.is_file():
        raise ClusterUnavailable(f"--kubeconfig {kubeconfig} is no file")
    try:
        kubectl = (await asyncio.to_thread(find_binaries)).kubectl
        await run((str(kubectl), f"--kubeconfig={kubeconfig}", "get", "--raw=/readyz"), seconds=_ANSWER_SECONDS)
    except (NotFound, CommandFailed) as problem:
        raise ClusterUnavailable(f"the cluster of {kubeconfig} does not answer: {problem}") from None


async def _cannot_load(archive: Path) -> None:
    raise ClusterUnavailable(
        f"{archive} cannot be brought to the nodes of a given cluster: push the image to a registry of theirs, or load "
        "it into them, and name it with --image"
    )
