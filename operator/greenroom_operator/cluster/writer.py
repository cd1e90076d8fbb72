"""Carries out what was planned, each write with the precondition that it was planned from.

A write without a definite answer is repeated unchanged until there is one; after any refusal the object is read,
for a refusal says only that the plan no longer fits.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

from greenroom_core.kube.errors import Conflict, Denied, NotFound, Refused, Unanswered
from greenroom_core.kube.kinds import PODS, SESSIONS
from greenroom_core.kube.patches import versioned_metadata, versioned_status
from greenroom_core.model import names
from greenroom_operator.planning.values import Bind, DeleteSession, SessionWrite, SetFinalizers, WriteStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession

logger = logging.getLogger("greenroom.operator.writer")

T = TypeVar("T")
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 2.0


class Writer:
    """Returns the session or pod as the API server holds it afterwards, or None when it is gone.

    `on_refusal(purpose, error)` is told of every refusal. Raises Withheld once leadership is over.
    """

    def __init__(self, client: KubeClient, on_refusal: Callable[[str, Refused], None]) -> None:
        self._client = client
        self._on_refusal = on_refusal

    async def session(self, write: SessionWrite) -> AgentSession | None:
        """Carries out one write on a session."""
        meta = write.session.metadata
        try:
            after = await self._definite(lambda: self._send(write))
        except NotFound:
            return None
        except Refused as error:
            self._refused(purpose(write), meta.key, error)
            return await self.read_session(write.session)
        if isinstance(write, DeleteSession):
            return await self.read_session(write.session)
        freed = isinstance(write, SetFinalizers) and meta.deletion_timestamp is not None
        return None if freed and not write.finalizers else after  # type: ignore[union-attr]

    async def read_session(self, session: AgentSession) -> AgentSession | None:
        """A quorum read; None when the session, by uid, is gone."""
        meta = session.metadata
        try:
            found = await self._definite(lambda: self._client.get(SESSIONS, meta.namespace, meta.name))
        except NotFound:
            return None
        return found if found.metadata.uid == meta.uid else None

    async def read_pod(self, namespace: str, name: str) -> Pod | None:
        """A quorum read; None on 404."""
        try:
            return await self._definite(lambda: self._client.get(PODS, namespace, name))
        except NotFound:
            return None

    async def label_busy(self, pod: Pod, *, busy: bool) -> Pod | None:
        """Puts the busy label on, whatever version the pod has; takes it off only at the version seen."""
        meta = pod.metadata
        labels = {"labels": {names.BUSY_LABEL: "true" if busy else None}}
        identity = {"uid": meta.uid, **labels}
        patch = {"metadata": identity} if busy else versioned_metadata(meta.resource_version, identity)
        try:
            return await self._definite(lambda: self._client.merge_patch(PODS, meta.namespace, meta.name, patch))
        except NotFound:
            return None
        except Refused as error:
            self._refused("label", meta.key, error)
            return await self.read_pod(meta.namespace, meta.name)

    async def _send(self, write: SessionWrite) -> AgentSession | None:
        meta = write.session.metadata
        match write:
            case Bind(fields=fields) | WriteStatus(fields=fields):
                status: dict[str, Any] = versioned_status(meta.resource_version, fields)
                return await self._client.merge_patch(SESSIONS, meta.namespace, meta.name, status, subresource="status")
            case SetFinalizers(finalizers=finalizers):
                patch = versioned_metadata(meta.resource_version, {"finalizers": list(finalizers)})
                return await self._client.merge_patch(SESSIONS, meta.namespace, meta.name, patch)
            case DeleteSession():
                await self._client.delete(SESSIONS, meta.namespace, meta.name, uid=meta.uid)
                return None
            case _:
                assert_never(write)

    async def _definite(self, send: Callable[[], Awaitable[T]]) -> T:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await send()
            except (Unanswered, Denied) as error:
                logger.warning("no answer, repeating it unchanged: %s", error)
                await self._client.world.clock.sleep(pause * (0.75 + self._client.world.random.random() / 2))
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _refused(self, what: str, key: str, error: Refused) -> None:
        self._on_refusal(what, error)
        level = logging.DEBUG if isinstance(error, Conflict) else logging.ERROR
        logger.log(level, "%s of %s refused: %s", what, key, error)


def purpose(write: SessionWrite) -> str:
    """One word for logs and metrics."""
    match write:
        case Bind():
            return "bind"
        case WriteStatus(purpose=word):
            return word
        case SetFinalizers():
            return "finalizer"
        case DeleteSession():
            return "delete"
        case _:
            assert_never(write)
