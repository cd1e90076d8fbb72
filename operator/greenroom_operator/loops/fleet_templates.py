"""Has the API server judge a fleet's pod before any is made, so that its words reach the AgentRuntime."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from greenroom_core.kube.errors import Denied, Refused, Unanswered
from greenroom_core.kube.kinds import PODS
from greenroom_operator.planning.pods import pod_body, pod_name

if TYPE_CHECKING:
    from asyncio import TaskGroup
    from collections.abc import Callable

    from greenroom_core.kube.client import KubeClient
    from greenroom_operator.planning.values import Fleet, RuntimeKey
    from greenroom_operator.state.fleet_memory import FleetMemory

logger = logging.getLogger("greenroom.operator.fleets")

_AGAIN_SECONDS = 1.0


class FleetTemplates:
    """`look_at(key)` is called when the answer is in."""

    def __init__(self, client: KubeClient, look_at: Callable[[RuntimeKey], None]) -> None:
        self._client = client
        self._look_at = look_at

    def dry_run(self, fleet: Fleet, memory: FleetMemory, group: TaskGroup) -> None:
        """One at a time; its word comes into `memory.template_errors`."""
        if not memory.asking:
            memory.asking = True
            group.create_task(self._dry_run(fleet, memory))

    async def _dry_run(self, fleet: Fleet, memory: FleetMemory) -> None:
        try:
            memory.template_errors = {fleet.revision: await self._error(fleet)}
        except Denied as problem:  # no word on the template: a quota is used up, or an account lacks a right
            memory.refused(str(problem), self._client.world.clock.boot())
            logger.warning("pods of %s/%s refused: %s", *fleet.key, problem)
        except Unanswered as problem:
            logger.warning("template of %s/%s not tried yet: %s", *fleet.key, problem)
            await self._client.world.clock.sleep(_AGAIN_SECONDS)
        memory.asking = False
        self._look_at(fleet.key)

    async def _error(self, fleet: Fleet) -> str:
        """Why no pod can be made of the template; "" when one can."""
        try:
            body = pod_body(fleet, pod_name(fleet, "trial"))
            await self._client.dry_run_create(PODS, fleet.key.namespace, body)
            return ""
        except (Unanswered, Denied):
            raise
        except ValueError as problem:
            error = str(problem)
        except Refused as problem:
            error = problem.message
        logger.error("template of %s/%s refused: %s", *fleet.key, error)
        return error
