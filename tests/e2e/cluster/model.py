"""What the suite is told about a cluster, whoever made it. Values only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

Say = Callable[[str], None]


class ClusterUnavailable(Exception):
    """There is no cluster to be had here; the message says what is missing and the way out."""


class ClusterFailed(Exception):
    """A cluster of ours did not come up or broke; the message has the end of the log that tells why."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose: a cluster of his own, or where ours keeps its state.

    `kind_image` is the node image of kind, such as ``kindest/node:v1.32.11``, for another version of Kubernetes.
    """

    directory: Path = Path(".greenroom/e2e")
    kubeconfig: Path | None = None
    ingress_http: str = ""
    ingress_https: str = ""
    ingress_class: str = ""
    kind_image: str = ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that answers.

    `ingress_http` is such as ``http://10.73.0.2:80``, empty where nobody said where the ingress controller listens.
    """

    kind: str
    kubeconfig: Path
    ingress_http: str
    ingress_https: str
    ingress_class: str
    loader: Callable[[Path], Awaitable[None]]

    async def load_image(self, archive: Path) -> None:
        """Give the nodes the images of a docker-archive, under the names in it. Raises ClusterUnavailable."""
        await self.loader(archive)
