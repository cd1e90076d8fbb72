"""One attempt of one session in this pod: its life, what is written of it, and what ends it from outside."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from msgspec import structs

from greenroom import hosted
from greenroom.latch import Latch
from greenroom.notices import Answered, Assignment, Built, Checkpointed, Ended, Joined, LeavingSlowly, Notice
from greenroom.redaction import bounded
from greenroom.runtime import moving, report, told
from greenroom.runtime.handover import Handover
from greenroom.runtime.writer import StatusWriter
from greenroom_core.model import names, recovery
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason, WaitReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.launcher import AgentLauncher
    from greenroom.lives import Life
    from greenroom.registry import SessionInfo
    from greenroom.runtime.precedence import Precedence
    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.session import AgentSession

logger = logging.getLogger("greenroom.runtime.attempt")

METRICS_EVERY_SECONDS = 2.0
LOST = "Lost"
"""What the figures count instead of a reason when the attempt was taken from this pod."""
RETURNED = WaitReason.RETURNED.value
"""And when another pod goes on with the session."""
_FORESEEN = {"conditions": "conditions", "answer": "answer", "startedAt": "started_at", "joinedAt": "joined_at"}


class Attempt:
    """`on_freed` is called when its slot is free again: before the end is put to the writer."""

    def __init__(
        self,
        session: AgentSession,
        client: KubeClient,
        learn: Callable[[AgentSession], None],
        on_ended: Callable[[Attempt, str], None],
        precedence: Precedence,
    ) -> None:
        self.name = session.metadata.name
        self.uid = session.metadata.uid
        self.number = session.status.attempt
        self.life: Life | None = None
        self.held: told.PodSession | None = None
        self.phase = session.status.phase
        self.answer = ""
        self.answer_settled = Latch()  # there is one, or there will be none
        self.handover = Handover(session)
        self._client = client
        self._clock = client.world.clock
        self._on_ended = on_ended
        self._writer = StatusWriter(client, session, learn, self._lose, precedence)
        self._outlook = session.status  # as it will be when all that was put has been written
        self._over = False
        self._metrics_seen = ""
        self._metrics_wanted = asyncio.Event()

    @property
    def key(self) -> tuple[str, int]:
        return (self.uid, self.number)

    @property
    def call_id(self) -> str:
        return self._writer.session.spec.call_id

    @property
    def in_call(self) -> bool:
        """It holds a slot: its agent is being built, is there, or is leaving."""
        return self.life is not None and self.life.ending is None

    # --- the three things that can become of it ---

    def begin(self, launcher: AgentLauncher, video_track_override_path: str | None = None) -> None:
        """Takes it up, without waiting; :meth:`live` does the rest."""
        session = self._writer.session
        assignment = Assignment(
            session_id=self.name,
            call_id=session.spec.call_id,
            call_type=session.spec.call_type,
            parameters=session.spec.parameters,
            limits=moving.time_limits(session, launcher.time_limits, self._clock.wall()),
            video_track_override_path=video_track_override_path,
            moves=self.restarts and moving.may_move(session),
        )
        if launcher.checkpoints is not None and self.restarts:
            self.handover.use(launcher.checkpoints)
        self.life = launcher.lives.life(assignment, self._hear)
        self.observe(session)

    async def live(self) -> None:
        """The session's whole life and all that is written of it."""
        assert self.life is not None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._writer.run(), name=f"writer-{self.name}")
            background = [tasks.create_task(self._serve_metrics(self.life), name=f"metrics-{self.name}")]
            if self.handover.stored:
                background.append(tasks.create_task(self.handover.keep(), name=f"checkpoints-{self.name}"))
            await self._take_over(self.life)
            await self.life.run()
            for task in background:
                task.cancel()
            self._writer.finish()
        if self._over and not self._writer.lost:
            await self.handover.forget()

    async def _take_over(self, life: Life) -> None:
        """The agent, which is not being built yet, is to get what an earlier attempt has left."""
        await self.handover.look_up()
        if self.handover.left is not None:
            life.assignment = replace(life.assignment, checkpoint=self.handover.left.state)

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

    @property
    def info(self) -> SessionInfo:
        """The session as this process knows it, its agent's figures fresh."""
        known = replace(told.record(self._writer.session), phase=self.phase, answer=self.answer)
        if self.held is None:
            return known
        at = self.held.started_at.timestamp()
        metrics = hosted.agent_metrics(self.held.agent, self.name)
        if metrics is None:
            return replace(known, started_at=at, metrics_updated_at=at)
        return replace(known, started_at=at, metrics=metrics, metrics_updated_at=self._clock.wall().timestamp())

    @property
    def restarts(self) -> bool:
        """The loss of this pod would not be its end."""
        return moving.may_run_again(self._writer.session)

    def host_leaves(self, seconds_left: float) -> None:
        """The pod begins to leave; the agent may want to know."""
        if self.life is not None:
            self.life.host_leaves(seconds_left)

    def leave(self, reason: EndReason, message: str = "", *, timeout_seconds: float | None = None) -> None:
        """The process itself ends it."""
        if self.life is not None:
            self.life.leave(reason, message, timeout_seconds=timeout_seconds)

    async def close(self) -> bool:
        """Code of this process ends it. Returns when no pod would run it again, should this one be lost; False when
        it is not this pod's any more."""
        if self.restarts:
            self._put(report.close_requested())
        self.leave(EndReason.CLOSE_REQUESTED)
        if self.restarts:
            await self._writer.written()
        return not self._writer.lost

    def _obey(self, session: AgentSession, life: Life) -> None:
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
            named = {"session": self.name, "call": self.call_id}
            logger.warning("session %s: its agent leaves at once: %s", self.name, why, extra=named)
            self.life.leave(EndReason.POD_LOST, why)

    # --- what comes from the life ---

    def _hear(self, notice: Notice) -> None:
        match notice:
            case Built():
                self._hold(notice)
                self._put_running(notice)
            case Answered():
                self._put(report.answered(notice.answer))
                self.answer = notice.answer
                self.answer_settled.set()
            case Joined():
                logger.info("session %s has joined its call", self.name)
                self._put(report.joined(self._outlook, notice.at))
            case Checkpointed():
                self.handover.put(notice.state)
            case LeavingSlowly():
                self.phase = Phase.CLOSING
                self._put(report.closing(self._outlook, notice.at))
            case Ended():
                logger.info("session %s ended: %s %s", self.name, notice.reason, notice.message)
                moves = self._moves(notice)
                # The slot first: who sees the terminal phase may bind the next session at once.
                self._on_ended(self, LOST if self._writer.lost else RETURNED if moves else notice.reason.value)
                if moves:
                    self._put_back(notice)
                else:
                    self._put_end(notice)
                self.answer_settled.set()
            case _:
                assert_never(notice)

    def _hold(self, notice: Built) -> None:
        life = self.life
        assert life is not None
        assert life.agent is not None
        assert life.task is not None
        self.phase = Phase.RUNNING
        self.held = told.PodSession(self.name, life.agent, life.assignment.call_id, notice.at, life.task)

    def _put_running(self, notice: Built) -> None:
        fields = report.running(self._outlook, notice.at)
        if self._metrics_wanted.is_set():
            self._metrics_wanted.clear()
            fields |= self._figures()
        logger.info("session %s runs: its agent is built and joins", self.name)
        self._put(fields)

    def _put_back(self, ending: Ended) -> None:
        """The agent has left; all that the next attempt is to have goes with this write."""
        status, why = self._outlook, "its pod had to leave"
        if self.held is None:
            self._put(report.returned(status, ending.at, why))
            return
        record = recovery.last_attempt(status, WaitReason.RETURNED, why, ending.at)
        self._put(report.moved(status, record) | self._figures() | self.handover.fields)

    def _moves(self, ending: Ended) -> bool:
        left_behind = self.life is not None and any(not task.done() for task in self.life.lingering)
        return moving.moves(self._writer.session, ending.reason, self.phase, left_behind=left_behind)

    def _put_end(self, ending: Ended) -> None:
        self._over = True
        fields = report.ended(self._outlook, ending.reason, ending.message, ending.at)
        self._put(fields | self._figures())

    def _figures(self) -> report.Fields:
        agent = self.life.agent if self.life is not None else None
        metrics = hosted.figures(agent, self.name) if agent is not None else None
        return report.figures(metrics, self._clock.wall())

    def _put(self, fields: report.Fields) -> None:
        foreseen = {attribute: fields[name] for name, attribute in _FORESEEN.items() if name in fields}
        self._outlook = structs.replace(self._outlook, **foreseen)
        self._writer.put(fields)

    async def _serve_metrics(self, life: Life) -> None:
        """Fresh figures for whoever asked, however often, at most once in METRICS_EVERY_SECONDS."""
        await life.start_settled.wait()
        while True:
            await self._metrics_wanted.wait()
            self._metrics_wanted.clear()
            if fields := self._figures():
                self._put(fields)
            await self._clock.sleep(METRICS_EVERY_SECONDS)
