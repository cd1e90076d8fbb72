"""The backend over a cluster: joins feeds, starts, figures and close requests into :class:`SessionBackend`."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from greenroom_api.backend import BackendUnavailable, Leaving, Listing, SessionFigures
from greenroom_api.cluster.figures import Figures
from greenroom_api.cluster.listing import page
from greenroom_api.cluster.queue import place
from greenroom_api.cluster.start import Start
from greenroom_api.cluster.tasks import Tasks
from greenroom_api.cluster.verdicts import seen
from greenroom_api.cluster.view import ClusterView
from greenroom_core.kube.client import KubeClient
from greenroom_core.kube.errors import KubeError, NotFound
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.kube.patches import annotation_patch
from greenroom_core.model import names
from greenroom_core.model.metrics import every_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from greenroom_api.backend import ListQuery, QueuePlace, SessionInfo, StartOutcome, StartRequest
    from greenroom_core.kube.feed import Change
    from greenroom_core.model.session import AgentSession
    from greenroom_core.world import World

logger = logging.getLogger("greenroom.api.backend")

CLOSE_SECONDS = 20.0
"""How long a close request is repeated while the API server does not answer."""

SHUTDOWN_SECONDS = 5.0
"""How long withdrawals may take once nobody is waiting for an answer any longer."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class ClusterBackend:
    """Sessions of one namespace. Use it in ``async with``, entered and left by the same task."""

    def __init__(
        self,
        world: World,
        namespace: str,
        *,
        requests_limit: int = 64,
        on_answer: Callable[[str, str, int, float], None] | None = None,
    ) -> None:
        client = KubeClient(world, requests_limit=requests_limit, on_answer=on_answer)
        self._view = ClusterView(client, namespace, self._changed)
        self._tasks = Tasks(world.clock)
        self._figures = Figures(self._view, self._tasks.background)
        self._starts: dict[Start, None] = {}  # in the order in which they came
        self._leaving = False

    async def __aenter__(self) -> Self:
        await self._tasks.open()
        self._tasks.serve("feed of sessions", self._view.sessions.run)
        self._tasks.serve("feed of runtimes", self._view.runtimes.run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        for start in tuple(self._starts):
            start.abandon()
        await self._tasks.close(SHUTDOWN_SECONDS)

    @property
    def ready(self) -> bool:
        return self._view.synced and not self._leaving

    def leave(self) -> None:
        self._leaving = True
        for start in tuple(self._starts):
            start.leave()
        self._view.waits.look_all()

    def gauges(self) -> Mapping[str, float]:
        """For monitoring: starts under way, and each feed's silence in seconds."""
        return {
            "starts": len(self._starts),
            "sessions_silence_seconds": self._view.sessions.silence_seconds,
            "runtimes_silence_seconds": self._view.runtimes.silence_seconds,
        }

    async def start(self, request: StartRequest) -> StartOutcome:
        if self._leaving:
            return Leaving()
        start = Start(self._view, request)
        self._starts[start] = None
        task = self._tasks.work(self._run(start))
        try:
            result = await asyncio.shield(task)
        except asyncio.CancelledError:
            start.abandon()
            raise
        if isinstance(result, KubeError):
            raise BackendUnavailable(str(result)) from result
        if isinstance(result, Exception):
            raise result
        return result

    async def get(self, call_id: str, session_id: str) -> SessionInfo | None:
        session = await self._session(call_id, session_id)
        return seen(session) if session is not None else None

    def place_in_queue(self, session: SessionInfo) -> QueuePlace | None:
        view = self._view
        known, runtime = view.known(session.session_id), view.runtimes.store.named(view.namespace, session.runtime)
        if known is None:
            return None
        fair_by = runtime.spec.queue.fair_by if runtime is not None else None
        return place(known, view.sessions.store, view.clock.wall(), fair_by)

    async def list(self, query: ListQuery) -> Listing:
        if not self._view.synced:
            raise BackendUnavailable("the sessions are not known yet")
        return page(self._view.sessions.store, query)

    async def request_close(self, call_id: str, session_id: str) -> bool:
        session = await self._session(call_id, session_id)
        if session is None:
            return False
        if session.close_requested:
            return True
        view = self._view
        patch = annotation_patch({names.CLOSE_REQUESTED: view.clock.wall().isoformat()})
        try:
            closing = await view.answered(
                lambda: view.client.merge_patch(SESSIONS, view.namespace, session_id, patch), CLOSE_SECONDS
            )
        except NotFound:
            view.sessions.forget(session)
            return False
        except KubeError as problem:
            raise BackendUnavailable(str(problem)) from problem
        view.sessions.learn(closing)
        logger.info("session %s: close requested", session_id, extra={"session": session_id, "call": call_id})
        return True

    async def metrics(self, call_id: str, session_id: str) -> SessionFigures | None:
        session = await self._session(call_id, session_id)
        if session is None:
            return None
        if session.status.started_at is not None:
            await self._figures.refresh(session)
            session = self._view.sessions.store.get(session.metadata.uid)
            if session is None or session.ended:
                return None
        status = session.status
        generated_at = status.metrics_generated_at or status.started_at
        return SessionFigures(seen(session), every_figure(status.metrics), generated_at)

    async def answer(self, call_id: str, session_id: str, wait_seconds: float) -> str | None:
        give_up = self._view.clock.boot() + wait_seconds
        while (session := await self._session(call_id, session_id)) is not None:
            remaining = give_up - self._view.clock.boot()
            if session.status.answer or remaining <= 0:
                return session.status.answer or ""
            if self._leaving:
                raise BackendUnavailable("this server is leaving and waits no longer")
            await self._answer_or_end(session, remaining)
        return None

    async def _answer_or_end(self, session: AgentSession, seconds: float) -> None:
        """Returns when either may have come, or the time is over."""
        with suppress(TimeoutError):
            async with self._view.clock.timeout(seconds):
                await self._view.waits.until(session.metadata.uid, self._answer_settled)

    def _answer_settled(self, session: AgentSession | None) -> bool | None:
        if session is None or session.ended or session.status.answer:
            return True
        return self._leaving or None

    async def _session(self, call_id: str, session_id: str) -> AgentSession | None:
        """The session while it lives, and only under its own call."""
        if _NAME.fullmatch(session_id) is None:
            return None
        try:
            session = await self._view.session(session_id)
        except KubeError as problem:
            raise BackendUnavailable(str(problem)) from problem
        if session is None or session.ended or session.spec.call_id != call_id:
            return None
        return session

    async def _run(self, start: Start) -> StartOutcome:
        """The start with what follows from its outcome; it goes on when its client is gone."""
        try:
            outcome = await start.run()
            if start.leaves_record(outcome):
                self._tasks.background(start.remove_record())
            return outcome
        except KubeError:
            if not start.keyed:
                self._tasks.background(start.clean_up())
            raise
        finally:
            self._starts.pop(start, None)

    def _changed(self, change: Change[AgentSession]) -> None:
        self._figures.changed(change)
