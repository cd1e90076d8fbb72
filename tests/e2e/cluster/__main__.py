"""``python -m tests.e2e.cluster``: a cluster to work against, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from tests.e2e.cluster import Options, cluster
from tests.e2e.cluster.node.node import prepare

from greenroom_local.signals import until_asked_to_end


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.cluster")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--dir", type=Path, default=Path(".greenroom/e2e"))
    options = parser.parse_args()
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:6.1f}] {line}", flush=True)

    if options.prepare:
        prepare(say)
        return

    async def hold() -> None:
        async with cluster(Options(directory=options.dir), say) as made:
            say(f"export KUBECONFIG={made.kubeconfig}")
            say(f"{made.ingress_http} {made.ingress_https} {made.ingress_class}")
            await asyncio.Event().wait()

    asyncio.run(until_asked_to_end(hold(), say))


if __name__ == "__main__":
    main()
