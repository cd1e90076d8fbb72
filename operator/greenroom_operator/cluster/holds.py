"""Puts the finalizer on an AgentRuntime and takes it off, at the version that it was planned from.

A conflict says only that the plan no longer fits: the object is read, and whoever planned plans again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import Conflict, KubeError, NotFound, Withheld
from greenroom_core.kube.kinds import PODS, RUNTIMES
from greenroom_core.kube.patches import versioned_metadata
from greenroom_core.model import names
from greenroom_operator.planning.drain import Hold

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.kube.feed import Feed
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.runtime import AgentRuntime

logger = logging.getLogger("greenroom.operator.holds")

_AGAIN_SECONDS = 1.0


class Holds:
    """`observe(runtime)` is told of each AgentRuntime as an answer shows it, `gone(namespace, name, uid)` of one that
    is no more."""

    def __init__(
        self,
        client: KubeClient,
        pods: Feed[Pod],
        observe: Callable[[AgentRuntime], None],
        gone: Callable[[str, str, str], None],
    ) -> None:
        self._client = client
        self._pods = pods
        self._observe = observe
        self._gone = gone

    async def write(self, runtime: AgentRuntime, hold: Hold) -> None:
        """One try, with a pause after one that failed. Raises Withheld once leadership is over."""
        try:
            await self._try(runtime, hold)
        except Withheld:
            raise
        except KubeError as error:
            level = logging.DEBUG if isinstance(error, Conflict) else logging.WARNING
            logger.log(level, "finalizer of AgentRuntime %s not %s: %s", runtime.metadata.key, hold.value, error)
            if not isinstance(error, Conflict):
                await self._client.world.clock.sleep(_AGAIN_SECONDS)

    async def _try(self, runtime: AgentRuntime, hold: Hold) -> None:
        meta = runtime.metadata
        if hold is Hold.TAKE_OFF and await self._has_pods(runtime):
            return
        others = [name for name in meta.finalizers if name != names.DRAIN]
        finalizers = [*others, names.DRAIN] if hold is Hold.PUT_ON else others
        patch = versioned_metadata(meta.resource_version, {"uid": meta.uid, "finalizers": finalizers})
        try:
            after = await self._client.merge_patch(RUNTIMES, meta.namespace, meta.name, patch)
        except Conflict:
            await self._read(runtime)
            raise
        except NotFound:
            self._gone(meta.namespace, meta.name, meta.uid)
            return
        logger.info("finalizer of AgentRuntime %s %s", meta.key, hold.value)
        if hold is Hold.TAKE_OFF and not finalizers:
            self._gone(meta.namespace, meta.name, meta.uid)
        else:
            self._observe(after)

    async def _has_pods(self, runtime: AgentRuntime) -> bool:
        """By a quorum read: the feed may not know yet what a leader before this one has made."""
        meta = runtime.metadata
        page = await self._client.list(PODS, Selection(meta.namespace, labels=f"{names.RUNTIME_LABEL}={meta.name}"))
        for pod in page.items:
            self._pods.learn(pod)
        return any(pod.runtime for pod in page.items) or bool(page.unreadable)

    async def _read(self, runtime: AgentRuntime) -> None:
        meta = runtime.metadata
        try:
            found = await self._client.get(RUNTIMES, meta.namespace, meta.name)
        except NotFound:
            self._gone(meta.namespace, meta.name, meta.uid)
            return
        if found.metadata.uid != meta.uid:
            self._gone(meta.namespace, meta.name, meta.uid)
        self._observe(found)
