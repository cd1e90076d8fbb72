"""`greenroom operator`: kopf embedded in a process of our own."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING, cast

import kopf

from greenroom_core import logs
from greenroom_core.event_loop import loop_factory
from greenroom_core.kube import auth
from greenroom_core.settings import BadSetting, load
from greenroom_operator.handlers import register
from greenroom_operator.settings import Settings
from greenroom_operator.shell import Shell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopf._core.engines.peering import Identity


def main(argv: Sequence[str]) -> None:
    """`argv[0]` is the command's own word."""
    try:
        settings = load(Settings, "greenroom operator", argv[1:])
        credentials = auth.discover()
    except (BadSetting, auth.NoCredentials) as error:
        sys.exit(f"greenroom operator: {error}")
    logs.set_up(settings.log_level, settings.log_format)
    registry = kopf.OperatorRegistry()
    register(registry, Shell(settings, credentials))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(
            kopf.operator(
                registry=registry,
                # kopf would ask for the user's name, and a user whom the cluster chose has none.
                identity=cast("Identity", socket.gethostname()),
                standalone=True,
                clusterwide=not settings.namespace,
                namespaces=[settings.namespace] if settings.namespace else [],
            )
        )
