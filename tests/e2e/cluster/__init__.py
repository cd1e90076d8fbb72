"""The cluster of the end-to-end suite: one that is given, or one that is made here and taken away again.

The suite must not care which: it gets a :class:`Cluster`.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from tests.e2e.cluster import kind
from tests.e2e.cluster.given import given_cluster
from tests.e2e.cluster.model import Cluster, ClusterFailed, ClusterUnavailable, Options, Say
from tests.e2e.cluster.node import parts
from tests.e2e.cluster.node.node import node_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Cluster", "ClusterFailed", "ClusterUnavailable", "Options", "Say", "cluster", "prepare"]


@asynccontextmanager
async def cluster(options: Options, say: Say) -> AsyncIterator[Cluster]:
    """The given one; where Docker answers one of kind's; else a real node on this machine.

    Everything that was made is gone after. Raises ClusterUnavailable where there is none to be had, ClusterFailed where
    one did not come up.
    """
    async with await _chosen(options, say) as made:
        yield made


def prepare(say: Say) -> None:
    """Get everything that a cluster is made of here, and start nothing. Raises ClusterUnavailable."""
    if kind.docker_answers():
        kind.prepare(say)
    else:
        parts.prepare(say)


async def _chosen(options: Options, say: Say) -> AbstractAsyncContextManager[Cluster]:
    if options.kubeconfig is not None:
        return given_cluster(options, options.kubeconfig)
    if await asyncio.to_thread(kind.docker_answers):
        return kind.kind_cluster(options, say)
    return node_cluster(options.directory, say)
