"""What a leader does last, before it gives its Lease up: it lets go of what is in a namespace that is being deleted.

The operator's own pods may go with that namespace, and then nobody would be left to take the finalizers off. The pods
there finish their calls all the same: Kubernetes deletes them first, and everything else once they are gone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from greenroom_core.kube.errors import Conflict, Denied, KubeError, NotFound
from greenroom_core.kube.kinds import EVENTS, RUNTIMES, SESSIONS
from greenroom_core.kube.patches import versioned_metadata
from greenroom_core.model import names
from greenroom_core.model.meta import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.kube.kinds import Kind
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession

logger = logging.getLogger("greenroom.operator.farewell")

R = TypeVar("R", bound=Resource)
_LONGEST_SECONDS = 2.0
"""The Lease is not renewed any more, and whoever stops us waits."""


async def farewell(client: KubeClient, sessions: Iterable[AgentSession], runtimes: Iterable[AgentRuntime]) -> None:
    """Of all these, those that hold a finalizer of ours. What cannot be had in time is left as it is."""
    held_sessions = [session for session in sessions if names.LEAVE_CALL in session.metadata.finalizers]
    held_runtimes = [runtime for runtime in runtimes if names.DRAIN in runtime.metadata.finalizers]
    namespaces = {item.metadata.namespace for item in (*held_sessions, *held_runtimes)}
    try:
        async with client.world.clock.timeout(_LONGEST_SECONDS):
            asked = sorted(namespaces)
            answers = await asyncio.gather(*(_is_being_deleted(client, namespace) for namespace in asked))
            going = {namespace for namespace, deleted in zip(asked, answers, strict=True) if deleted}
            async with asyncio.TaskGroup() as group:
                for session in (item for item in held_sessions if item.metadata.namespace in going):
                    group.create_task(_let_go(client, SESSIONS, session, names.LEAVE_CALL))
                for runtime in (item for item in held_runtimes if item.metadata.namespace in going):
                    group.create_task(_let_go(client, RUNTIMES, runtime, names.DRAIN))
    except TimeoutError:
        logger.warning("namespaces that are being deleted may keep finalizers: no answer in %g s", _LONGEST_SECONDS)


async def _is_being_deleted(client: KubeClient, namespace: str) -> bool:
    """Known without leave to read namespaces: nothing can be made in one that is."""
    body = {"metadata": {"name": "farewell"}, "involvedObject": {"namespace": namespace}, "reason": "Farewell"}
    try:
        await client.dry_run_create(EVENTS, namespace, body)
    except Denied as refusal:
        return any(cause.field == "metadata.namespace" for cause in refusal.causes)
    except KubeError as error:
        logger.info("namespace %s: is it being deleted? %s", namespace, error)
    return False


async def _let_go(client: KubeClient, kind: Kind[R], item: R, finalizer: str) -> None:
    meta = item.metadata
    try:
        while finalizer in item.metadata.finalizers:
            kept = [name for name in item.metadata.finalizers if name != finalizer]
            patch = versioned_metadata(item.metadata.resource_version, {"uid": meta.uid, "finalizers": kept})
            try:
                item = await client.merge_patch(kind, meta.namespace, meta.name, patch)
                logger.info("%s %s let go: its namespace is being deleted", kind.plural, meta.key)
            except Conflict:
                item = await client.get(kind, meta.namespace, meta.name)
    except NotFound:
        return
    except KubeError as error:
        logger.warning("%s %s not let go: %s", kind.plural, meta.key, error)
