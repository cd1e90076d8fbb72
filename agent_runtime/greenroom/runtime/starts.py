"""A launcher's own starts: each makes an object for this pod alone and waits for what becomes of it.

The operator is the judge: it binds the session here, ahead of its queue and under the same limits, or ends it. What is
bound the pod takes up like any other session; of those that are not, a second feed tells, opened at the first start.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any

from greenroom.errors import InvalidParameters, NoFreeSlot, RegistryUnavailable, StartAbandoned, StartTimedOut
from greenroom.runtime import own
from greenroom.runtime.fed import keep_fed
from greenroom.runtime.own_start import OwnStart
from greenroom.runtime.withdrawals import Withdrawals
from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    Invalid,
    KubeError,
    NotFound,
    Refused,
    Unanswered,
)
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model import names
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from greenroom.hosts import Wanted
    from greenroom.runtime.attempt import Attempt
    from greenroom.runtime.settings import RuntimeSettings
    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.session import AgentSession

logger = logging.getLogger("greenroom.runtime.starts")

WITHDRAW_SECONDS = 30.0
"""How long a withdrawal at the deadline is tried while the API server does not answer."""

CALLER_GONE = "the caller who started it went away"

_PAUSE_SECONDS = 0.2
_DENIED_SECONDS = 3.0
_RECHECK_SECONDS = 0.5


class OwnStarts:
    """`learn` is given what turns out to be bound; `spawn` runs work beside everything else, under a name;
    `on_settled` is called whenever less is left to be done."""

    def __init__(
        self,
        client: KubeClient,
        settings: RuntimeSettings,
        learn: Callable[[AgentSession], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        on_settled: Callable[[], None],
    ) -> None:
        self._client = client
        self._clock = client.world.clock
        self._settings = settings
        self._learn = learn
        self._spawn = spawn
        self._on_settled = on_settled
        selection = Selection(
            settings.namespace, labels=f"{names.STARTED_BY}={settings.pod_uid}", fields="status.podName="
        )
        self._feed: Feed[AgentSession] = Feed(client, SESSIONS, selection, self._on_change)
        self._feeding: asyncio.Task[None] | None = None
        self._waiting: dict[str, OwnStart] = {}
        self._withdrawals = Withdrawals(client, spawn, on_settled)

    def get(self, name: str) -> OwnStart | None:
        """The start that waits to be taken up."""
        return self._waiting.get(name)

    def withdraw(self, name: str, call_id: str | None = None) -> bool:
        """Ends one that waits, of that call or of any. False if there is none."""
        start = self._waiting.get(name)
        if start is None or start.attempt is not None or call_id not in (None, start.wanted.call_id):
            return False
        start.withdraw("the session was closed before its agent was built")
        return True

    def unwanted(self, name: str) -> bool:
        """Whoever started it has gone: it must not run, should it be bound after all."""
        start = self._waiting.get(name)
        return name in self._withdrawals or (start is not None and start.unwanted)

    @property
    def busy(self) -> bool:
        """Somebody waits, or an object that nobody will have is still to be ended."""
        return bool(self._waiting) or self._withdrawals.busy

    def leave(self) -> None:
        """The pod takes nothing more."""
        for start in self._waiting.values():
            start.withdraw("the pod is leaving")

    def end(self) -> None:
        """At once: what has not been withdrawn is the operator's to end."""
        self._withdrawals.end()
        self.leave()
        if self._feeding is not None:
            self._feeding.cancel()

    async def place(self, wanted: Wanted) -> Attempt:
        """Returns when this pod has taken it up; raises what `greenroom.errors` has for it. The operator deletes the
        object of a start that is refused, or whose caller is cancelled."""
        if self._feeding is None:
            self._feeding = self._spawn(keep_fed(self._feed, self._clock), "feed of own starts")
        start = OwnStart(wanted, str(uuid.UUID(int=self._client.world.random.getrandbits(128), version=4)))
        self._waiting[start.name] = start
        try:
            return await self._placed(start)
        except BaseException as error:
            if start.attempt is not None:
                start.attempt.leave(EndReason.CLOSE_REQUESTED, CALLER_GONE)
            elif not start.gone and (start.unwanted or error is not start.error or own.leaves_no_record(error)):
                self._withdrawals.add(start.name, start.session)
            raise
        finally:
            del self._waiting[start.name]
            self._on_settled()

    # --- waiting for the verdict ---

    async def _placed(self, start: OwnStart) -> Attempt:
        begun = self._clock.boot()
        wanted = start.wanted
        seconds = own.start_deadline_seconds(wanted, self._settings)
        body = own.session_object(wanted, start.name, self._settings)
        # Where no answer comes to what was carried out, the pod may run it before it is known to be there.
        creating = asyncio.create_task(self._create(start, body), name=f"create-{start.name}")
        try:
            async with self._clock.timeout(max(0.0, begun + seconds - self._clock.boot())):
                return await self._outcome(start)
        except TimeoutError:
            return await self._at_deadline(start, seconds)
        finally:
            creating.cancel()
            await asyncio.wait((creating,))

    async def _create(self, start: OwnStart, body: AgentSession) -> None:
        """Repeats it, unchanged, until there is an answer."""
        try:
            await self._created(start, body)
        except Refused as refusal:
            start.failed(_as_told(refusal))
        except Exception as error:
            start.failed(error)

    async def _created(self, start: OwnStart, body: AgentSession) -> None:
        """Raises Refused. `start.gone` says then that there is certainly no object."""
        denied_until = self._clock.boot() + _DENIED_SECONDS
        level, doubtful = logging.WARNING, False
        while start.error is None:
            try:
                self._take(await self._client.create(SESSIONS, self._settings.namespace, body))
                return
            except AlreadyExists:  # what was not answered has been carried out
                start.doubt()
                return
            except (Unanswered, Denied) as problem:
                if isinstance(problem, Denied) and self._clock.boot() >= denied_until:
                    start.gone = not doubtful
                    raise
                logger.log(level, "session %s: %s; trying again", start.name, problem)
                level, doubtful = logging.DEBUG, doubtful or isinstance(problem, Unanswered)
            except Refused:
                start.gone = not doubtful
                raise
            await self._clock.sleep(_PAUSE_SECONDS)

    async def _outcome(self, start: OwnStart) -> Attempt:
        while True:
            start.moved.clear()
            if start.attempt is not None:
                return start.attempt
            if start.error is not None:
                raise start.error
            if not start.doubted:
                await start.moved.wait()
            elif start.session is None or not await self._moved_in_a_moment(start):
                await self._read(start)

    async def _moved_in_a_moment(self, start: OwnStart) -> bool:
        """What has left those without a pod has mostly been bound, and the pod's feed shows it, too."""
        try:
            async with self._clock.timeout(_RECHECK_SECONDS):
                await start.moved.wait()
        except TimeoutError:
            return False
        return True

    async def _read(self, start: OwnStart) -> None:
        """The API server's own word; no answer leaves the doubt."""
        try:
            session = await self._client.get(SESSIONS, self._settings.namespace, start.name)
        except NotFound as error:
            if error.reason == "NotFound":
                start.failed(StartAbandoned("the session was deleted before its agent was built"))
        except KubeError as problem:
            logger.debug("session %s: %s", start.name, problem)
            await self._clock.sleep(_PAUSE_SECONDS)
        else:
            start.doubted = False
            self._take(session)

    def _take(self, session: AgentSession) -> None:
        if session.status.pod_uid is None:
            self._feed.learn(session)
            return
        if session.ended and (start := self._waiting.get(session.metadata.name)) is not None:
            start.failed(own.refusal(session))
        self._learn(session)

    def _on_change(self, change: Change[AgentSession]) -> None:
        if change.new is not None:
            self._withdrawals.observe(change.new)
        known = change.new or change.old
        start = self._waiting.get(known.metadata.name) if known is not None else None
        if start is None:
            return
        if change.new is None:
            start.doubt()
        else:
            start.observe(change.new)

    # --- taking it back ---

    async def _at_deadline(self, start: OwnStart, seconds: float) -> Attempt:
        """Withdraws it, unless it has been bound: then the pod has it, or has it in a moment."""
        give_up = self._clock.boot() + WITHDRAW_SECONDS
        while start.attempt is None and start.error is None and (session := start.session) is not None:
            try:
                await self._withdrawals.write(session)
            except Conflict:
                await self._read(start)
                if start.session is session:
                    break
                continue
            except NotFound:
                pass
            except KubeError as problem:
                if self._clock.boot() >= give_up:
                    raise StartTimedOut(f"no slot in {seconds:g} s, and no answer since: {problem}") from problem
                await self._clock.sleep(_PAUSE_SECONDS)
                continue
            start.gone = True
            raise NoFreeSlot(f"pod {self._settings.pod_name} had no free slot in {seconds:g} s")
        if start.session is None and start.attempt is None and start.error is None:
            raise StartTimedOut(f"the API server has not answered in {seconds:g} s")
        return await self._outcome(start)


def _as_told(refusal: Refused) -> Exception:
    """What the API server's no to a creation is to who asked for it."""
    if isinstance(refusal, Invalid):
        return InvalidParameters(refusal.message)
    return RegistryUnavailable(f"the session could not be created: {refusal}")
