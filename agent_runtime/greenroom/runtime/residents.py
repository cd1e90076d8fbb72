"""The sessions that this pod has taken up: each carried by a task of its own, a slot held from start to goodbye."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from greenroom.redaction import described
from greenroom.runtime.attempt import Attempt
from greenroom.runtime.precedence import Precedence
from greenroom_core.model.reasons import EndReason
from greenroom_core.session_context import context_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from greenroom.launcher import AgentLauncher
    from greenroom.runtime.figures import RuntimeFigures
    from greenroom.runtime.moves import Moves
    from greenroom_core.kube.client import KubeClient
    from greenroom_core.kube.feed import Feed
    from greenroom_core.model.session import AgentSession

logger = logging.getLogger("greenroom.runtime.pod")


class Residents:
    """`tasks` carries them; `feed` shows what is bound to this pod."""

    def __init__(
        self,
        client: KubeClient,
        feed: Feed[AgentSession],
        figures: RuntimeFigures,
        moves: Moves,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._client = client
        self._feed = feed
        self._figures = figures
        self._moves = moves
        self._tasks = tasks
        self._taken: dict[str, int] = {}
        self._attempts: dict[tuple[str, int], Attempt] = {}
        self._carriers: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._holding: set[tuple[str, int]] = set()
        self.precedence = Precedence()
        self._lingering: set[asyncio.Task[Any]] = set()

    @property
    def slots_held(self) -> int:
        return len(self._holding)

    @property
    def unreported(self) -> int:
        """Those of which something is still to be written."""
        return len(self._attempts)

    @property
    def lingering(self) -> int:
        """How many tasks of agents ignore their cancellation."""
        return len(self._lingering)

    def in_call(self) -> list[Attempt]:
        """Those that hold a slot."""
        return [attempt for attempt in self._attempts.values() if attempt.in_call]

    def named(self, name: str) -> Attempt | None:
        """The one that holds a slot under that name."""
        return next((attempt for attempt in self._attempts.values() if attempt.name == name and attempt.in_call), None)

    def taken_attempt(self, uid: str) -> int:
        """The highest attempt of the session that was taken up, -1 for none."""
        return self._taken.get(uid, -1)

    def observe(self, uid: str, session: AgentSession | None) -> None:
        """The session's newest body; None when the feed does not show it any longer, which proves nothing."""
        for attempt in [item for item in self._attempts.values() if item.uid == uid]:
            attempt.observe(session)
        if session is None:
            self._forget_if_gone(uid)

    def start(self, session: AgentSession, launcher: AgentLauncher, video_track_override_path: str | None) -> Attempt:
        """It holds a slot from here on."""
        attempt = self._attempt(session)
        self._holding.add(attempt.key)
        self._figures.started()
        attempt.begin(launcher, video_track_override_path)
        self._carry(attempt, attempt.live())
        return attempt

    def deal_with(self, session: AgentSession, work: Callable[[Attempt], Coroutine[Any, Any, None]]) -> None:
        """It needs no slot: something has to be written of it, no more."""
        attempt = self._attempt(session)
        self._carry(attempt, work(attempt))

    def host_leaves(self, seconds_left: float) -> None:
        for attempt in self.in_call():
            attempt.host_leaves(seconds_left)

    def leave(self, reason: EndReason, timeout_seconds: float) -> None:
        for attempt in self._attempts.values():
            attempt.leave(reason, timeout_seconds=timeout_seconds)

    def give_up(self) -> None:
        """There is no time left for what is still to be written."""
        for carrier in self._carriers.values():
            carrier.cancel()

    def linger(self, task: asyncio.Task[Any]) -> None:
        """Keeps what does not end though it was told to."""
        if not task.done():
            self._lingering.add(task)
            task.add_done_callback(self._lingering.discard)

    def _attempt(self, session: AgentSession) -> Attempt:
        attempt = Attempt(session, self._client, self._feed.learn, self._on_ended, self.precedence)
        self._taken[attempt.uid] = attempt.number
        self._attempts[attempt.key] = attempt
        return attempt

    def _carry(self, attempt: Attempt, work: Coroutine[Any, Any, None]) -> None:
        self._carriers[attempt.key] = self._tasks.create_task(
            self._carried(attempt, work),
            name=f"attempt-{attempt.name}",
            context=context_of(attempt.name, attempt.call_id),
        )

    async def _carried(self, attempt: Attempt, work: Coroutine[Any, Any, None]) -> None:
        """A failure of ours in one session is no other's; this one is ended, for nobody else would."""
        try:
            await work
        except Exception as error:
            logger.exception("session %s: the runtime failed", attempt.name)
            self._free(attempt)
            await self._written_off(attempt, error)
        finally:
            self._free(attempt)
            del self._attempts[attempt.key], self._carriers[attempt.key]
            self._forget_if_gone(attempt.uid)

    async def _written_off(self, attempt: Attempt, error: Exception) -> None:
        cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        try:
            await attempt.write_off(EndReason.AGENT_ERROR, f"the runtime failed: {described(cause)}")
        except Exception:
            logger.exception("session %s: its end could not be written", attempt.name)

    def _on_ended(self, attempt: Attempt, reason: str) -> None:
        self._figures.ended(reason)
        self._free(attempt)

    def _free(self, attempt: Attempt) -> None:
        self._holding.discard(attempt.key)
        for task in attempt.life.lingering if attempt.life is not None else ():
            self.linger(task)
        self._moves.tell()

    def _forget_if_gone(self, uid: str) -> None:
        """What was taken up need not be remembered once the API server no longer shows it to this pod."""
        if self._feed.store.get(uid) is None and all(other != uid for other, _ in self._attempts):
            self._taken.pop(uid, None)
