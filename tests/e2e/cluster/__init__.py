"""The cluster of the end-to-end suite: one that is given, or one that is made here and taken away again.

The suite must not care which: it gets a :class:`Cluster`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.e2e.cluster.model import Cluster, ClusterFailed, ClusterUnavailable, Options, Say
from tests.e2e.cluster.node.node import node_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Cluster", "ClusterFailed", "ClusterUnavailable", "Options", "Say", "cluster"]


@asynccontextmanager
async def cluster(options: Options, say: Say) -> AsyncIterator[Cluster]:
    async with node_cluster(options.directory, say) as made:
        yield made
