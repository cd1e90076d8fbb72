"""An operator with what its shell would do: AgentRuntimes come from a watch of their own, instead of kopf's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import RUNTIMES
from greenroom_operator.program import Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.world import World
    from greenroom_operator.settings import Settings


def operator_in_shell(
    world: World, settings: Settings, identity: str
) -> tuple[Operator, Callable[[], Coroutine[Any, Any, None]]]:
    """The operator, and what runs it until it is cancelled. Its Lease is in the namespace that it looks after, unless
    the settings say where."""
    place = settings.lease_namespace or settings.namespace
    operator = Operator(world, settings, lease_namespace=place, identity=identity)

    def runtime_changed(change: Change[AgentRuntime]) -> None:
        if change.new is not None:
            operator.observe_runtime(change.new)
        elif change.old is not None:
            meta = change.old.metadata
            operator.runtime_gone(meta.namespace, meta.name, meta.uid)

    runtimes = Feed(KubeClient(world), RUNTIMES, Selection(settings.namespace or None), runtime_changed)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(runtimes.run())
            group.create_task(operator.run())

    return operator, run
