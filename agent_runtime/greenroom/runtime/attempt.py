"""One attempt of one session in this pod: its life, what is written of it, and what ends it from outside."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from msgspec import structs

from greenroom import hosted
from greenroom.life import SessionLife
from greenroom.notices import Assignment, Built, Ended, Joined, LeavingSlowly, Notice
from greenroom.redaction import bounded
from greenroom.runtime import report
from greenroom.runtime.writer import StatusWriter
from greenroom_core.model import names
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.launcher import AgentLauncher
    from greenroom.limits import TimeLimits
    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.session import AgentSession

logger = logging.getLogger("greenroom.runtime.attempt")

METRICS_EVERY_SECONDS = 2.0
LOST = "Lost"
"""What the figures count instead of a reason when the attempt was taken from this pod."""


def time_limits(session: AgentSession, launcher: AgentLauncher) -> TimeLimits:
    """What the bind says, else what the agent file's launcher says, else the built-in."""
    effective = session.status.effective
    if effective is None:
        return launcher.time_limits
    given = {
        "idle_timeout_seconds": effective.limits.idle_timeout_seconds,
        "max_duration_seconds": effective.limits.max_duration_seconds,
    }
    return replace(launcher.time_limits, **{name: value for name, value in given.items() if value is not None})


class Attempt:
    """`on_freed` is called when its slot is free again: before the end is put to the writer."""

    def __init__(
        self,
        session: AgentSession,
        client: KubeClient,
        learn: Callable[[AgentSession], None],
        on_ended: Callable[[Attempt, str], None],
    ) -> None:
        self.name = session.metadata.name
        self.uid = session.metadata.uid
        self.number = session.status.attempt
        self.life: SessionLife | None = None
        self._client = client
        self._clock = client.world.clock
        self._on_ended = on_ended
        self._writer = StatusWriter(client, session, learn, self._lose)
        self._outlook = session.status  # as it will be when all that was put has been written
        self._metrics_seen = ""
        self._metrics_wanted = asyncio.Event()

    @property
    def key(self) -> tuple[str, int]:
        return (self.uid, self.number)

    @property
    def in_call(self) -> bool:
        """It holds a slot: its agent is being built, is there, or is leaving."""
        return self.life is not None and self.life.ending is None

    # --- the three things that can become of it ---

    def begin(self, launcher: AgentLauncher) -> None:
        """Takes it up, without waiting; :meth:`live` does the rest."""
        session = self._writer.session
        assignment = Assignment(
            session_id=self.name,
            call_id=session.spec.call_id,
            call_type=session.spec.call_type,
            parameters=session.spec.parameters,
            limits=time_limits(session, launcher),
        )
        self.life = SessionLife(assignment, launcher.recipe, self._clock, self._hear)
        self.observe(session)

    async def live(self) -> None:
        """The session's whole life and all that is written of it."""
        assert self.life is not None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._writer.run(), name=f"writer-{self.name}")
            metrics = tasks.create_task(self._serve_metrics(self.life), name=f"metrics-{self.name}")
            await self.life.run()
            metrics.cancel()
            self._writer.finish()

    async def give_back(self, why: str) -> None:
        """Another pod shall run it."""
        logger.info("session %s is given back: %s", self.name, why)
        self._put(report.returned(self._outlook, self._clock.wall(), why))
        self._writer.finish()
        await self._writer.run()

    async def write_off(self, reason: EndReason, message: str) -> None:
        """It ends here without an agent."""
        logger.info("session %s ends: %s %s", self.name, reason, message)
        self._put_end(Ended(reason, bounded(message), self._clock.wall()))
        self._writer.finish()
        await self._writer.run()

    # --- what comes from outside ---

    def observe(self, session: AgentSession | None) -> None:
        """The newest body; None when it is no longer among this pod's sessions, which proves nothing."""
        over = self.life is not None and self.life.ending is not None
        if session is None or self._writer.not_ours(session) is not None:
            if not over:
                self._writer.doubt()
            return
        self._writer.observe(session)
        if self.life is not None and not over:
            self._obey(session, self.life)

    def leave(self, reason: EndReason, timeout_seconds: float) -> None:
        """The pod itself ends it."""
        if self.life is not None:
            self.life.leave(reason, timeout_seconds=timeout_seconds)

    def _obey(self, session: AgentSession, life: SessionLife) -> None:
        if session.deleting:
            life.leave(EndReason.DELETED)
        elif session.close_requested:
            life.leave(EndReason.CLOSE_REQUESTED)
        requested = session.metadata.annotations.get(names.METRICS_REQUESTED, "")
        if requested != self._metrics_seen:
            self._metrics_seen = requested
            if requested:
                self._metrics_wanted.set()

    def _lose(self, why: str) -> None:
        """The API server itself says that this attempt is not ours any more: the agent leaves, nothing is written."""
        if self.life is not None and self.life.ending is None:
            logger.warning("session %s: its agent leaves at once: %s", self.name, why)
            self.life.leave(EndReason.POD_LOST, why)

    # --- what comes from the life ---

    def _hear(self, notice: Notice) -> None:
        match notice:
            case Built():
                self._put_running(notice)
            case Joined():
                logger.info("session %s has joined its call", self.name)
                self._put(report.joined(self._outlook, notice.at))
            case LeavingSlowly():
                self._put(report.closing(self._outlook, notice.at))
            case Ended():
                logger.info("session %s ended: %s %s", self.name, notice.reason, notice.message)
                # The slot first: who sees the terminal phase may bind the next session at once.
                self._on_ended(self, LOST if self._writer.lost else notice.reason.value)
                self._put_end(notice)
            case _:
                assert_never(notice)

    def _put_running(self, notice: Built) -> None:
        fields = report.running(self._outlook, notice.at)
        if self._metrics_wanted.is_set():
            self._metrics_wanted.clear()
            fields |= self._figures()
        logger.info("session %s runs: its agent is built and joins", self.name)
        self._put(fields)

    def _put_end(self, ending: Ended) -> None:
        fields = report.ended(self._outlook, ending.reason, ending.message, ending.at)
        self._put(fields | self._figures())

    def _figures(self) -> report.Fields:
        agent = self.life.agent if self.life is not None else None
        metrics = hosted.figures(agent, self.name) if agent is not None else None
        return report.figures(metrics, self._clock.wall())

    def _put(self, fields: report.Fields) -> None:
        conditions = fields.get("conditions", self._outlook.conditions)
        self._outlook = structs.replace(self._outlook, conditions=conditions)
        self._writer.put(fields)

    async def _serve_metrics(self, life: SessionLife) -> None:
        """Fresh figures for whoever asked, however often, at most once in METRICS_EVERY_SECONDS."""
        await life.start_settled.wait()
        while True:
            await self._metrics_wanted.wait()
            self._metrics_wanted.clear()
            if fields := self._figures():
                self._put(fields)
            await self._clock.sleep(METRICS_EVERY_SECONDS)
