"""The one hand that writes a session's status from this pod, and the one that reads it in doubt.

One write is under way at a time; what comes meanwhile is merged into what waits. No answer but a read of the session
itself is a verdict on whether the attempt is still ours.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from greenroom.runtime import pending
from greenroom.runtime.precedence import LONGEST_WAIT_SECONDS, may_wait
from greenroom_core.kube import patches
from greenroom_core.kube.errors import Invalid, KubeError, NotFound
from greenroom_core.kube.kinds import SESSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greenroom.runtime.precedence import Precedence
    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.session import AgentSession

logger = logging.getLogger("greenroom.runtime.writer")

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


class StatusWriter:
    """Run :meth:`run` in a task; :meth:`put` and :meth:`doubt` never wait.

    `learn` takes the body of every answer. `on_lost` is called once, when a read says that the attempt is not ours
    any more (another uid, pod or attempt, a terminal phase, or 404); after that nothing is written.
    """

    def __init__(
        self,
        client: KubeClient,
        session: AgentSession,
        learn: Callable[[AgentSession], None],
        on_lost: Callable[[str], None],
        precedence: Precedence,
    ) -> None:
        self.session = session
        self.lost = False
        self._client = client
        self._learn = learn
        self._on_lost = on_lost
        self._precedence = precedence
        self._next: dict[str, Any] = {}
        self._next_waits = False
        self._later: dict[str, Any] = {}
        self._doubted = False
        self._finishing = False
        self._failures = 0
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()

    def put(self, fields: Mapping[str, Any]) -> None:
        """These values are to be written. The first to come while nothing is under way goes out alone."""
        if self.lost:
            return
        if self._next_waits:
            self._next |= fields
        elif self._next or self._later:
            self._later |= fields
        else:
            self._next = dict(fields)
        self._wake.set()

    def doubt(self) -> None:
        """Something says that the attempt may not be ours any more: look."""
        self._doubted = True
        self._wake.set()

    async def written(self) -> None:
        """Returns when all that has been put is written, or the attempt is lost."""
        while (self._next or self._later) and not self.lost:
            self._moved.clear()
            await self._moved.wait()

    def finish(self) -> None:
        """:meth:`run` returns when all that was put has been written."""
        self._finishing = True
        self._wake.set()

    def observe(self, session: AgentSession) -> None:
        """A newer body of the same attempt came in another way."""
        if session.metadata.version > self.session.metadata.version and self.not_ours(session) is None:
            self.session = session

    async def run(self) -> None:
        """Until :meth:`finish` and all is written, or the attempt is lost."""
        while not self.lost:
            if self._doubted or self._next:
                await self._give_way()
                progress = await self._step()
                self._moved.set()
                if progress:
                    self._failures = 0
                elif not self.lost:
                    await self._pause()
            elif self._finishing:
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _give_way(self) -> None:
        """What nobody waits for lets the pod's other writes go first; what is put meanwhile goes with it."""
        if not self._may_give_way():
            return
        self._next_waits = True
        try:
            async with self._client.world.clock.timeout(LONGEST_WAIT_SECONDS):
                with self._precedence.waking(self._wake):
                    while self._may_give_way():
                        self._wake.clear()
                        await self._wake.wait()
        except TimeoutError:
            pass
        finally:
            self._next_waits = False

    def _may_give_way(self) -> bool:
        return self._precedence.taken and not (self._doubted or self._finishing) and may_wait(self._next)

    async def _step(self) -> bool:
        try:
            if self._doubted:
                return await self._read()
            with nullcontext() if may_wait(self._next) else self._precedence.urgent():
                return await self._write()
        except Exception:  # whatever is wrong here must not end a call
            logger.exception("session %s: its status could not be written", self.session.metadata.name)
            return False

    async def _write(self) -> bool:
        """True when it was carried out. A doubtful answer makes a doubt; the fields wait on."""
        fields = self._next
        meta = self.session.metadata
        patch = pending.operations(self.session, patches.attempt_status(self.session, fields))
        try:
            answer = await self._client.json_patch(SESSIONS, meta.namespace, meta.name, patch, subresource="status")
        except Invalid as error:
            self._doubted = True
            if error.causes:
                self._drop_refused(error)
            return await self._read_at_once()
        except KubeError as error:
            self._log_failure(error)
            self._doubted = True
            return await self._read_at_once()
        self._written(answer)
        return True

    async def _read_at_once(self) -> bool:
        """A read right after a failed write; it counts as progress only if nothing is left to write."""
        return await self._read() and not self._next

    async def _read(self) -> bool:
        """True when the server told how the session stands."""
        meta = self.session.metadata
        try:
            session = await self._client.get(SESSIONS, meta.namespace, meta.name)
        except NotFound as error:
            if error.reason == "NotFound":
                self._lose("the session is gone")
                return True
            self._log_failure(error)
            return False
        except KubeError as error:
            self._log_failure(error)
            return False
        self._doubted = False
        if (why := self.not_ours(session)) is not None:
            self._lose(why)
            return True
        self.session = session
        self._next = pending.not_yet_applied(self._next | self._later, session.status)
        self._later = {}
        self._learn(session)
        return True

    def _written(self, answer: AgentSession) -> None:
        self._next, self._later = self._later, {}
        self.observe(answer)
        self._learn(answer)

    def not_ours(self, session: AgentSession) -> str | None:
        """Why `session` is not the attempt that this writer is for; None when it is."""
        mine, theirs = self.session, session
        if theirs.metadata.uid != mine.metadata.uid:
            return "another session bears its name"
        if theirs.status.pod_uid != mine.status.pod_uid:
            return f"it is bound to {theirs.status.pod_name or 'no pod'}"
        if theirs.status.attempt != mine.status.attempt:
            return f"it is in attempt {theirs.status.attempt}"
        if theirs.ended:
            return f"it has ended: {theirs.status.reason}"
        return None

    def _lose(self, why: str) -> None:
        self.lost = True
        self._on_lost(why)

    def _drop_refused(self, error: Invalid) -> None:
        kept = pending.without_refused(self._next, error.causes)
        dropped = sorted(self._next.keys() - kept.keys())
        logger.error(
            "session %s: the API server refuses %s (this is an error of the runtime): %s",
            self.session.metadata.name,
            ", ".join(dropped) or "the whole status",
            error,
        )
        self._next = kept

    def _log_failure(self, error: KubeError) -> None:
        level = logging.WARNING if self._failures == 0 else logging.DEBUG
        logger.log(level, "session %s: %s; what is to be written waits", self.session.metadata.name, error)

    async def _pause(self) -> None:
        world = self._client.world
        seconds = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS)
        self._failures = min(self._failures + 1, 10)
        await world.clock.sleep(seconds * (0.5 + world.random.random() / 2))
