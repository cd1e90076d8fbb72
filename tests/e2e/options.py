"""What `make e2e ARGS=…` takes."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.cluster.model import Options as ClusterOptions

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Options:
    """`image`: a name that the nodes can pull or have, else empty and one is built; `only`: words of steps' titles."""

    cluster: ClusterOptions
    image: str
    keep: bool
    only: tuple[str, ...]
    prepare: bool
    list: bool


def parse(arguments: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e", description=__doc__)
    there = parser.add_argument_group("a cluster that is there; without --kubeconfig one is made")
    there.add_argument("--kubeconfig", type=Path, metavar="FILE", help="whose current context is an administrator's")
    there.add_argument("--image", default="", metavar="NAME", help="which its nodes can pull or have; else it is built")
    there.add_argument(
        "--ingress-http", default="", metavar="URL", help="http://ADDRESS:PORT of its ingress controller"
    )
    there.add_argument("--ingress-https", default="", metavar="URL", help="https://ADDRESS:PORT of the same")
    there.add_argument("--ingress-class", default="", metavar="NAME", help="its IngressClass")
    made = parser.add_argument_group("a cluster that is made")
    made.add_argument("--dir", type=Path, default=Path(".greenroom/e2e"), help="where it keeps its state (%(default)s)")
    made.add_argument("--kind-image", default="", metavar="NAME", help="of kind's nodes, for another Kubernetes")
    parser.add_argument("--keep", action="store_true", help="without the steps that uninstall; the cluster stays, too")
    parser.add_argument("--only", metavar="WORDS", action="append", default=[], help="steps with this in their title")
    parser.add_argument("--prepare", action="store_true", help="build what is needed, run nothing")
    parser.add_argument("--list", action="store_true", help="tell the steps, run nothing")
    given = parser.parse_args(arguments)
    if given.kubeconfig and not (given.image and given.ingress_https):
        parser.error("a cluster that is there takes --image and --ingress-https, too")
    cluster = ClusterOptions(
        directory=given.dir,
        kubeconfig=given.kubeconfig,
        ingress_http=given.ingress_http,
        ingress_https=given.ingress_https,
        ingress_class=given.ingress_class,
        kind_image=given.kind_image,
    )
    return Options(cluster, given.image, given.keep, tuple(given.only), given.prepare, given.list)
