"""The life of one start: create the object, wait for what becomes of it, take it back where nobody will have it.

One object per POST, run as a task of the backend, so that it can finish its tidying when the client is gone.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

from greenroom_api.backend import (
    Accepted,
    AgentFailed,
    EndedEarly,
    KeyReused,
    Leaving,
    LimitReached,
    NoSlot,
    RequestRefused,
    StartOutcome,
)
from greenroom_api.cluster import objects
from greenroom_api.cluster.verdicts import refused, seen, start_outcome
from greenroom_core.kube.errors import AlreadyExists, Conflict, Invalid, KubeError, NotFound
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import AgentSession

if TYPE_CHECKING:
    from greenroom_api.backend import StartRequest
    from greenroom_api.cluster.view import ClusterView
    from greenroom_core.model.runtime import AgentRuntime

logger = logging.getLogger("greenroom.api.start")

WITHDRAW_SECONDS = 30.0
"""How long a withdrawal is tried while the API server does not answer."""

BOUND_PATIENCE_SECONDS = 90.0
"""How long a pod may hold a session past its deadline without a word: its start timeout and the operator's
reaction to a pod that keeps silent both fit."""

_RECENT_SECONDS = 5.0
"""A feed that has been silent for longer may be behind: no ground to refuse anybody. Where much happens it never is
silent, and where nothing does, asking the operator costs little."""

_RECHECK_SECONDS = 0.5
_CLEAN_UP_PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)


class _Sight(Enum):
    """What a waiter looks for besides an outcome."""

    GONE = auto()
    """The feed does not hold it any longer."""
    DELETED = auto()
    """It is being deleted, and no pod has it: no agent will start."""
    UNWANTED = auto()
    """It is to be withdrawn, and as far as is known here it can be."""


class Start:
    """One POST. `leave` and `abandon` may be called at any time while `run` runs."""

    def __init__(self, view: ClusterView, request: StartRequest) -> None:
        self._view = view
        self._request = request
        self._deadline = 0.0
        self._patience_over = False
        self._leaving = False
        self._abandoned = False
        self._stuck = False
        self._uid = ""
        self._hash = objects.request_hash(request)
        self.name = objects.session_name(request, view.namespace, view.client.world.random)
        self._named = {"session": self.name, "call": request.call_id}

    @property
    def keyed(self) -> bool:
        """The client can come back for this session."""
        return self._request.idempotency_key is not None

    def leave(self) -> None:
        """Wait for no slot any longer; a pod that has the session already may still start it."""
        self._leaving = self._patience_over = True
        self._view.waits.look(self._uid)

    def abandon(self) -> None:
        """The client is gone: withdraw the session, bound or not. With a key it may come back: nothing happens."""
        if self.keyed:
            return
        self._abandoned = self._patience_over = True
        self._view.waits.look(self._uid)

    async def run(self) -> StartOutcome:
        """Raises KubeError when the API server gives no definite answer in time."""
        runtime = await self._view.runtime(self._request.runtime)
        seconds = objects.start_deadline_seconds(self._request, runtime)
        self._deadline = self._view.clock.boot() + seconds
        found = await self._object(runtime)
        if not isinstance(found, AgentSession):
            return found
        if not objects.made_from(found, self._hash):
            return KeyReused()
        self._uid = found.metadata.uid
        if self._request.respond_async and not self._abandoned:
            # Without a waiter here, the operator is the one who ends it at its deadline.
            return start_outcome(found) or Accepted(seen(found))
        return await self._outcome()

    async def clean_up(self) -> None:
        """After a start that ended without an answer: what may have been created goes, once it can be reached."""
        for pause_seconds in _CLEAN_UP_PAUSES_SECONDS:
            try:
                session = await self._view.read(self.name)
                if session is not None:
                    await self._delete(session.metadata.uid)
                    return
            except KubeError as problem:
                logger.debug("session %s: not cleaned up yet: %s", self.name, problem, extra=self._named)
            await self._view.clock.sleep(pause_seconds)

    def leaves_record(self, outcome: StartOutcome) -> bool:
        """The client was refused, and the operator's verdict stands in an object that nobody needs."""
        session = self._view.sessions.store.get(self._uid)
        return refused(outcome) and session is not None and session.ended and not session.deleting

    async def remove_record(self) -> None:
        try:
            await self._view.answered(lambda: self._delete(self._uid), WITHDRAW_SECONDS)
        except KubeError as problem:
            logger.warning(
                "session %s: its record stays until its time is up: %s", self.name, problem, extra=self._named
            )

    async def _object(self, runtime: AgentRuntime | None) -> AgentSession | StartOutcome:
        """The session's object, new or found under its name."""
        while not self._patience_over:
            existing = self._view.known(self.name) if self.keyed else None
            if existing is None:
                if runtime is None:
                    return await self._without_a_runtime()
                if (limit := self._limit_met(runtime)) is not None:
                    return limit
                try:
                    return await self._created(runtime)
                except AlreadyExists:
                    existing = await self._view.read(self.name)
                except Invalid as refusal:
                    return RequestRefused(refusal.message)
            if existing is not None and not _going(existing):
                return existing
            if existing is not None:
                await self._name_free(existing.metadata.uid)
        return self._none_started()

    async def _without_a_runtime(self) -> AgentSession | StartOutcome:
        """A session may outlive its AgentRuntime, and its key gives it all the same."""
        existing = await self._view.read(self.name) if self.keyed else None
        if existing is not None and not _going(existing):
            return existing
        return RequestRefused(f"runtime '{self._request.runtime}' does not exist")

    def _limit_met(self, runtime: AgentRuntime) -> LimitReached | None:
        if self._view.sessions.silence_seconds > _RECENT_SECONDS:
            return None
        limit = self._view.tally.limit_met(runtime, self._request.call_id)
        return LimitReached(limit) if limit is not None else None

    async def _created(self, runtime: AgentRuntime) -> AgentSession:
        view = self._view
        body = objects.session_object(self._request, self._hash, self.name, view.namespace, runtime)
        remaining = self._deadline - view.clock.boot()
        created = await view.answered(lambda: view.client.create(SESSIONS, view.namespace, body), remaining)
        view.sessions.learn(created)
        return created

    async def _name_free(self, uid: str) -> None:
        """An earlier start under the same key was refused or withdrawn: its object is on its way out."""
        self._uid = uid
        try:
            async with self._view.clock.timeout(self._deadline - self._view.clock.boot()):
                await self._view.waits.until(uid, lambda session: session is None or self._patience_over or None)
        except TimeoutError:
            self._patience_over = True

    async def _outcome(self) -> StartOutcome:
        while True:
            match await self._sight():
                case None:
                    self._run_out_of_patience()
                case _Sight.DELETED:
                    return self._none_started()
                case _Sight.GONE:
                    if await self._is_gone():
                        return self._none_started()
                case _Sight.UNWANTED:
                    if await self._withdrawn():
                        return self._none_started()
                case outcome:
                    return outcome

    async def _sight(self) -> StartOutcome | _Sight | None:
        """What comes first; None: nothing did in time."""
        clock = self._view.clock
        seconds = BOUND_PATIENCE_SECONDS if self._patience_over else self._deadline - clock.boot()
        try:
            async with clock.timeout(seconds):
                return await self._view.waits.until(self._uid, self._look)
        except TimeoutError:
            return None

    def _look(self, session: AgentSession | None) -> StartOutcome | _Sight | None:
        if session is None:
            return _Sight.GONE
        if self._abandoned:
            return _Sight.DELETED if session.deleting or session.ended else _Sight.UNWANTED
        outcome = start_outcome(session)
        if outcome is not None or session.bound:
            return outcome
        if session.deleting:
            return _Sight.DELETED
        return _Sight.UNWANTED if self._patience_over else None

    def _run_out_of_patience(self) -> None:
        if self._patience_over:
            self._stuck = self._abandoned = True
            message = "session %s: bound for %g s and not started: closing it"
            logger.error(message, self.name, BOUND_PATIENCE_SECONDS, extra=self._named)
        self._patience_over = True

    def _none_started(self) -> StartOutcome:
        if self._stuck:
            return AgentFailed(EndReason.START_TIMEOUT, "its pod has neither started it nor given it back")
        if self._leaving:
            return Leaving()
        return NoSlot() if self._patience_over or self.keyed else EndedEarly()

    async def _is_gone(self) -> bool:
        """Absence from the feed is not proof."""
        session = await self._view.read(self.name)
        if session is None or session.metadata.uid != self._uid:
            return True
        await self._view.clock.sleep(_RECHECK_SECONDS)
        return False

    async def _withdrawn(self) -> bool:
        """True when no agent will start. Unless abandoned, only the last version seen unbound is deleted."""
        session = self._view.sessions.store.get(self._uid)
        if session is None:
            return False
        version = "" if self._abandoned else session.metadata.resource_version
        try:
            await self._view.answered(lambda: self._delete(self._uid, version), WITHDRAW_SECONDS)
        except Conflict:
            current = await self._view.read(self.name)
            return current is None or current.metadata.uid != self._uid
        logger.info("session %s: withdrawn", self.name, extra=self._named)
        return True

    async def _delete(self, uid: str, resource_version: str = "") -> None:
        """Done, too, when it is no longer there."""
        client, namespace = self._view.client, self._view.namespace
        with suppress(NotFound):
            await client.delete(SESSIONS, namespace, self.name, uid=uid, resource_version=resource_version)


def _going(session: AgentSession) -> bool:
    """It is being deleted and has no agent, nor will it have one."""
    return session.deleting and not session.bound and session.status.started_at is None
