"""Kubernetes Events: what `kubectl describe` shows of a session or a fleet beside its conditions.

For people, so the best effort is enough: one that cannot be written is dropped, and what would be said again and again
is said once. Never on the way of a session that just starts and ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from greenroom_core.kube.errors import KubeError
from greenroom_core.kube.kinds import EVENTS
from greenroom_core.model import names

if TYPE_CHECKING:
    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession

logger = logging.getLogger("greenroom.operator.events")

AGAIN_SECONDS = 600.0
PER_SECOND = 5.0
AT_ONCE = 25
WAITING = 200
MESSAGE_MAX_CHARACTERS = 1024
_REMEMBERED = 2_000
_COMPONENT = "greenroom-operator"


class Kind(StrEnum):
    """How Kubernetes sorts events."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Events:
    """`tell` never waits; `run` writes what was told, :data:`AT_ONCE` at once and :data:`PER_SECOND` after that."""

    def __init__(self, client: KubeClient, identity: str) -> None:
        self._client = client
        self._clock = client.world.clock
        self._random = client.world.random
        self._identity = identity
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=WAITING)
        self._told: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._wake = asyncio.Event()

    def of_session(self, session: AgentSession, kind: Kind, reason: str, message: str) -> None:
        self._tell("AgentSession", session, kind, reason, message)

    def of_runtime(self, runtime: AgentRuntime, kind: Kind, reason: str, message: str) -> None:
        self._tell("AgentRuntime", runtime, kind, reason, message)

    async def run(self) -> None:
        """Until cancelled."""
        allowed, at = float(AT_ONCE), self._clock.boot()
        while True:
            await self._next()
            now = self._clock.boot()
            allowed, at = min(AT_ONCE, allowed + PER_SECOND * (now - at)), now
            if allowed < 1:
                await self._clock.sleep(1 / PER_SECOND)
                continue
            allowed -= 1
            await self._write(*self._waiting.popleft())

    async def _next(self) -> None:
        while not self._waiting:
            self._wake.clear()
            await self._wake.wait()

    def _tell(self, kind: str, about: AgentSession | AgentRuntime, sort: Kind, reason: str, message: str) -> None:
        meta, now = about.metadata, self._clock.boot()
        said = (meta.uid, reason, message)
        if now < self._told.get(said, float("-inf")) + AGAIN_SECONDS:
            return
        self._told[said] = now
        self._told.move_to_end(said)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        at = self._clock.wall().strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta.name[:230]}.{self._random.getrandbits(64):016x}",
                "namespace": meta.namespace,
            },
            "involvedObject": {
                "apiVersion": names.API_VERSION,
                "kind": kind,
                "namespace": meta.namespace,
                "name": meta.name,
                "uid": meta.uid,
            },
            "type": sort.value,
            "reason": reason,
            "message": message[:MESSAGE_MAX_CHARACTERS],
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "source": {"component": _COMPONENT},
            "reportingComponent": _COMPONENT,
            "reportingInstance": self._identity,
        }
        self._waiting.append((meta.namespace, body))
        self._wake.set()

    async def _write(self, namespace: str, body: dict[str, Any]) -> None:
        """What a leader must not send any more is dropped like others: who keeps the Lease ends its term."""
        try:
            await self._client.create(EVENTS, namespace, body)
        except KubeError as error:
            logger.info("event %s on %s not written: %s", body["reason"], body["involvedObject"]["name"], error)
