"""Sessions of a runtime pod: each is an AgentSession, and these objects are the registry that all pods share.

What is started here is bound here by the operator, under the AgentRuntime's limits and within the pod's slots; what
others have the operator bind here is seen as well. One life of the pod is one start of this host.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sys
from typing import TYPE_CHECKING, Self

from greenroom.errors import HeldElsewhere, RegistryUnavailable, StartAbandoned
from greenroom.hosts.answers import polled, settled
from greenroom.runtime import told
from greenroom.runtime.starts import CALLER_GONE
from greenroom_core.first_process import heed_sigterm, sigterm_is_free
from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import KubeError, NotFound
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model import names
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import CALL_ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from greenroom.hosts import Wanted
    from greenroom.launcher import AgentLauncher
    from greenroom.lives import Lives
    from greenroom.registry import SessionInfo
    from greenroom.runtime.attempt import Attempt
    from greenroom.runtime.pod import RuntimePod
    from greenroom.session import AgentSession
    from greenroom_core.model.session import AgentSession as SessionObject

logger = logging.getLogger("greenroom.runtime.host")

POD_UID_VARIABLE = "GREENROOM_POD_UID"
"""What the operator tells the process of a runtime pod, and nobody else."""

CLOSE_SECONDS = 20.0
"""How long a close request may take to be written down while the API server does not answer."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_CALL = re.compile(CALL_ID_PATTERN)


class PodHost:
    """`opened` gives the pod with all that it stands on; it is entered at each start. `lives` are closed after it."""

    warms_up = True
    """The node asks for /health before that is over."""

    def __init__(self, lives: Lives, opened: Callable[[], AbstractAsyncContextManager[RuntimePod]]) -> None:
        self._lives = lives
        self._opened = opened
        self._pod: RuntimePod | None = None
        self._pod_there = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._leave_within: float | None = None
        self._leaving = False
        self._signalled = False

    @classmethod
    def from_environment(cls, launcher: AgentLauncher) -> Self:
        """What the operator tells every runtime pod is read at the start: it raises BadSetting, NoCredentials or
        CannotListen then."""
        from greenroom.runtime.program import opened
        from greenroom.runtime.settings import RuntimeSettings
        from greenroom_core.kube import auth
        from greenroom_core.settings import load

        return cls(launcher.lives, lambda: opened(launcher, load(RuntimeSettings, "runtime", ()), auth.discover()))

    # --- start, drain, stop ---

    async def run(self) -> None:
        """The pod's whole life: until :meth:`leave`, and all sessions have ended."""
        try:
            async with self._opened() as pod:
                self._pod = pod
                self._pod_there.set()
                if self._leaving:
                    pod.drain(self._leave_within)
                await pod.run()
        finally:
            self._pod_there.clear()
            await self._lives.close()

    async def start(self) -> None:
        """Returns when the pod takes sessions. Where the program has no handler of its own for SIGTERM, the pod drains
        at one, and only then it does what it does by default."""
        if self._pod_there.is_set():
            raise RuntimeError("the pod runs already")
        self._leaving = False
        self._life = asyncio.create_task(self.run(), name="runtime-pod")
        ready = asyncio.create_task(self._until_ready(), name="runtime-pod-ready")
        try:
            await asyncio.wait((self._life, ready), return_when=asyncio.FIRST_COMPLETED)
            if self._life.done():
                self._life.result()
                raise StartAbandoned("the pod was told to leave before it was ready")
        except BaseException:
            self._life.cancel()
            await asyncio.wait((self._life,))
            raise
        finally:
            ready.cancel()
            await asyncio.wait((ready,))
        self._heed_sigterm()

    async def stop(self) -> None:
        self.leave(0.0)
        await self._over()

    async def drain(self, timeout: float | None) -> bool:
        """None: the pod's drain timeout, for the node would not wait any longer."""
        self.leave(timeout)
        await self._over()
        return self._pod is None or self._pod.finished

    def leave(self, timeout_seconds: float | None = None) -> None:
        """Begins to drain."""
        if self._pod is not None and self._pod_there.is_set():
            self._pod.drain(timeout_seconds)
        else:
            self._leaving, self._leave_within = True, timeout_seconds

    @property
    def lingering(self) -> int:
        """How many tasks of agents ignore their cancellation."""
        return self._pod.lingering if self._pod is not None else 0

    @property
    def running(self) -> bool:
        return self._pod_there.is_set()

    @property
    def draining(self) -> bool:
        return self._pod is not None and self._pod.draining

    @property
    def full(self) -> bool:
        return self._pod is not None and self._pod.full

    # --- sessions of this process ---

    @property
    def sessions(self) -> tuple[AgentSession, ...]:
        attempts = self._pod.attempts if self._pod is not None else ()
        return tuple(attempt.held for attempt in attempts if attempt.held is not None)

    async def start_session(self, wanted: Wanted) -> AgentSession:
        attempt = await self._running().place(wanted)
        life = attempt.life
        assert life is not None
        try:
            await life.start_settled.wait()
        except asyncio.CancelledError:
            attempt.leave(EndReason.CLOSE_REQUESTED, CALLER_GONE)
            raise
        if attempt.held is None:
            raise life.start_error
        return attempt.held

    async def begin_session(self, wanted: Wanted) -> SessionInfo:
        return (await self._running().place(wanted)).info

    async def close_session(self, session_id: str, wait: bool) -> bool:
        pod = self._pod
        attempt = pod.attempt(session_id) if pod is not None else None
        if pod is None or attempt is None:
            return pod is not None and pod.withdraw(session_id)
        attempt.leave(EndReason.CLOSE_REQUESTED)
        if wait:
            await pod.until_gone(attempt)
        return True

    def get_session(self, session_id: str) -> AgentSession | None:
        attempt = self._pod.attempt(session_id) if self._pod is not None else None
        return attempt.held if attempt is not None else None

    # --- sessions of any pod ---

    async def request_close(self, call_id: str, session_id: str) -> bool:
        """One of this pod leaves at once; it is written down, too, where another pod might run it again. Of other pods'
        sessions a pod may not write: raises HeldElsewhere."""
        pod = self._running()
        attempt = pod.attempt(session_id)
        if attempt is not None:
            if attempt.call_id != call_id:
                return False
            if await self._closed(attempt):
                return True
        elif pod.withdraw(session_id, call_id):
            return True
        session = await self._living(call_id, session_id)
        if session is None or session.close_requested:
            return session is not None
        raise HeldElsewhere(
            f"session {session_id} is not held by pod {pod.settings.pod_name}, which may end its own sessions only: "
            f"close it by the REST API, or by the annotation {names.CLOSE_REQUESTED}"
        )

    async def _closed(self, attempt: Attempt) -> bool:
        """Whether it is this pod's still; raises RegistryUnavailable where its close cannot be written in time."""
        try:
            async with self._running().client.world.clock.timeout(CLOSE_SECONDS):
                return await attempt.close()
        except TimeoutError as late:
            text = f"the close of session {attempt.name} could not be written in {CLOSE_SECONDS:g} s"
            raise RegistryUnavailable(text) from late

    async def info(self, call_id: str, session_id: str) -> SessionInfo | None:
        """Figures are fresh for sessions of this pod; for another's they are those last written."""
        attempt = self._running().attempt(session_id)
        if attempt is not None:
            return attempt.info if attempt.call_id == call_id else None
        session = await self._living(call_id, session_id)
        return told.record(session) if session is not None else None

    async def answer(self, call_id: str, session_id: str, wait_seconds: float) -> str | None:
        pod = self._running()
        attempt = pod.attempt(session_id)
        if attempt is None:
            return await polled(lambda: self.info(call_id, session_id), pod.client.world.clock, wait_seconds)
        if attempt.call_id != call_id:
            return None
        await settled(attempt.answer_settled, pod.client.world.clock, wait_seconds)
        return attempt.answer if attempt.in_call else None

    async def list(self, call_id: str | None = None) -> list[SessionInfo]:
        if call_id is not None and not _CALL.fullmatch(call_id):
            return []
        pod = self._running()
        selection = Selection(pod.settings.namespace, fields=f"spec.callId={call_id}" if call_id is not None else "")
        try:
            page = await pod.client.list(SESSIONS, selection)
        except KubeError as problem:
            raise RegistryUnavailable(str(problem)) from problem
        here = {attempt.name: attempt.info for attempt in pod.attempts}
        infos = [here.get(session.metadata.name) or told.record(session) for session in page.items]
        return sorted(infos, key=lambda info: (info.created_at or 0.0, info.session_id), reverse=True)

    async def _living(self, call_id: str, session_id: str) -> SessionObject | None:
        """The API server's own word, for a session that has not ended, and only under its own call."""
        pod = self._running()
        if not _NAME.fullmatch(session_id):
            return None
        try:
            session = await pod.client.get(SESSIONS, pod.settings.namespace, session_id)
        except NotFound:
            return None
        except KubeError as problem:
            raise RegistryUnavailable(str(problem)) from problem
        return session if session.spec.call_id == call_id and not session.ended else None

    # --- inside ---

    async def _over(self) -> None:
        """The pod's life is, where this host began it; else its sessions are."""
        if self._life is not None:
            await asyncio.wait((self._life,))
            if not self._life.cancelled():
                self._life.result()
        elif self._pod is not None:
            await self._pod.until_empty()

    def _running(self) -> RuntimePod:
        if self._pod is None or not self._pod_there.is_set():
            raise RuntimeError("the pod does not run: start the launcher first")
        return self._pod

    async def _until_ready(self) -> None:
        await self._pod_there.wait()
        await self._running().until_ready()

    def _heed_sigterm(self) -> None:
        if not sigterm_is_free():
            return
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._on_sigterm)
        except (NotImplementedError, RuntimeError, ValueError) as error:
            logger.warning("SIGTERM will end the calls of this pod at once: %s", error)

    def _on_sigterm(self) -> None:
        if self._life is None or self._life.done():
            _end_by_sigterm(self._life)
        elif not self._signalled:
            self._signalled = True
            self._life.add_done_callback(_end_by_sigterm)
            self.leave()


def _end_by_sigterm(_: asyncio.Task[None] | None) -> None:
    """As it would have without a handler."""
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    heed_sigterm()
    logging.shutdown()
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGTERM)
