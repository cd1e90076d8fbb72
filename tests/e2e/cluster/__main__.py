"""``python -m tests.e2e.cluster``: a cluster to work against, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from tests.e2e.cluster import ClusterFailed, ClusterUnavailable, Options, Say, cluster, prepare

from greenroom_local.signals import until_asked_to_end


def main() -> int:
    arguments = _parser().parse_args()
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {line}", flush=True)

    try:
        if arguments.prepare:
            prepare(say)
            say("everything is here")
        else:
            options = Options(directory=arguments.dir, kind_image=arguments.kind_image)
            asyncio.run(until_asked_to_end(_hold(options, say), say))
    except (ClusterUnavailable, ClusterFailed) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


async def _hold(options: Options, say: Say) -> None:
    async with cluster(options, say) as made:
        say(f"up; ingress class {made.ingress_class} at {made.ingress_http} and {made.ingress_https}")
        say(f"export KUBECONFIG={made.kubeconfig}")
        await asyncio.Event().wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.cluster", description=__doc__)
    parser.add_argument("--prepare", action="store_true", help="get what a cluster is made of, start nothing")
    parser.add_argument("--dir", type=Path, default=Path(".greenroom/e2e"), help="where its state is (%(default)s)")
    parser.add_argument("--kind-image", default="", metavar="NAME", help="of kind's nodes, for another Kubernetes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
