"""`greenroom uninstall`: sees everything of one namespace, or of all, out while its operator is still there.

AgentRuntimes are deleted and drain: their calls may go on to their own end for a while. Then the sessions are deleted,
which ends what is left. What even that does not end loses its finalizers, so that nothing stays Terminating for ever.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from dataclasses import dataclass
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from greenroom_core import logs
from greenroom_core.clock import SystemClock
from greenroom_core.kube import auth
from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.errors import NotFound
from greenroom_core.kube.http import HttpTransport
from greenroom_core.kube.kinds import RUNTIMES, SESSIONS
from greenroom_core.settings import BadSetting, load, setting
from greenroom_core.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenroom_core.kube.kinds import Kind
    from greenroom_core.model.meta import Resource

logger = logging.getLogger("greenroom.uninstall")

_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class UninstallSettings:
    """Ends what runs in a namespace, so that nothing stays behind when the operator goes."""

    namespace: str = setting("", "namespace to clear; empty: that of the credentials")
    all_namespaces: bool = setting(False, "true or false: clear every namespace of the cluster")
    drain_seconds: float = setting(120.0, "how long calls may go on to their own end, 0 or more", lambda v: v >= 0)
    end_seconds: float = setting(60.0, "how long agents may take to leave after that, 0 or more", lambda v: v >= 0)
    log_level: str = setting("INFO", "DEBUG, INFO, WARNING or ERROR")
    log_format: str = setting("text", "text or json", lambda value: value in ("text", "json"))


class Clearance:
    """Of one namespace, or of all (None). Can be run again at any point: it goes on from what is there."""

    def __init__(self, client: KubeClient, namespace: str | None) -> None:
        self._client = client
        self._clock = client.world.clock
        self._namespace = namespace
        self._where = "the whole cluster" if namespace is None else f"namespace {namespace}"

    async def run(self, drain_seconds: float, end_seconds: float) -> None:
        """Returns when neither runtime nor session is left. Raises KubeError."""
        await self._delete(RUNTIMES)
        if not await self._gone(drain_seconds, RUNTIMES):
            logger.warning("calls go on after %g s: ending them", drain_seconds)
        await self._delete(SESSIONS)
        if await self._gone(end_seconds, SESSIONS, RUNTIMES):
            logger.info("%s is clear", self._where)
            return
        for kind in (SESSIONS, RUNTIMES):
            for left in await self._all(kind):
                logger.warning("%s %s did not go by itself: taking off its finalizers", kind.plural, left.metadata.key)
                await self._let_go(kind, left)

    async def _delete(self, kind: Kind[Any]) -> None:
        present = [item for item in await self._all(kind) if item.metadata.deletion_timestamp is None]
        if present:
            logger.info("%s: deleting %d %s", self._where, len(present), kind.plural)
        for item in present:
            meta = item.metadata
            try:
                await self._client.delete(kind, meta.namespace, meta.name, uid=meta.uid)
            except NotFound:
                continue

    async def _gone(self, seconds: float, *kinds: Kind[Any]) -> bool:
        until = self._clock.boot() + seconds
        while left := [item for kind in kinds for item in await self._all(kind)]:
            if self._clock.boot() >= until:
                return False
            logger.debug("waiting for %d to go", len(left))
            await self._clock.sleep(_LOOK_SECONDS)
        return True

    async def _let_go(self, kind: Kind[Any], left: Resource) -> None:
        meta = left.metadata
        patch = {"metadata": {"uid": meta.uid, "finalizers": None}}
        try:
            await self._client.merge_patch(kind, meta.namespace, meta.name, patch)
        except NotFound:
            return

    async def _all(self, kind: Kind[Any]) -> Sequence[Resource]:
        return (await self._client.list(kind, Selection(self._namespace))).items


async def _clear(chosen: UninstallSettings, credentials: auth.Credentials) -> None:
    async with HttpTransport(credentials, user_agent="greenroom-uninstall") as transport:
        client = KubeClient(World(SystemClock(), SystemRandom(), transport), deadline_seconds=60.0)
        namespace = None if chosen.all_namespaces else chosen.namespace or credentials.namespace
        clearance = Clearance(client, namespace)
        await clearance.run(chosen.drain_seconds, chosen.end_seconds)


def main(argv: Sequence[str]) -> None:
    """`argv[0]` is the command's own word."""
    try:
        chosen = load(UninstallSettings, "greenroom uninstall", argv[1:])
        if chosen.all_namespaces and chosen.namespace:
            raise BadSetting(f"--namespace {chosen.namespace} and --all-namespaces: one of the two")
        logs.set_up(chosen.log_level, chosen.log_format)
        asyncio.run(_clear(chosen, auth.discover()))
    except (BadSetting, auth.NoCredentials) as error:
        sys.exit(f"greenroom uninstall: {error}")
