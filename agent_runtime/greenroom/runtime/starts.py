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
    from greenroom.runtime.fleet import Fleet
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
_CLEAN_UP_PAUSES_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)


class OwnStarts:
    """`learn` is given what turns out to be bound; `spawn` runs work beside everything else, under a name;
    `on_settled` is called whenever less is left to be done."""

    def __init__(
        self,
        client: KubeClient,
        settings: RuntimeSettings,
        fleet: Fleet,
        learn: Callable[[AgentSession], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        on_settled: Callable[[], None],
    ) -> None:
        self._client = client
        self._clock = client.world.clock
        self._settings = settings
        self._fleet = fleet
        self._learn = learn
        self._spawn = spawn
        self._on_settled = on_settled
        selection = Selection(
            settings.namespace, labels=f"{names.STARTED_BY}={settings.pod_uid}", fields="status.podName="
        )
        self._feed: Feed[AgentSession] = Feed(client, SESSIONS, selection, self._on_change)
        self._feeding: asyncio.Task[None] | None = None
        self._waiting: dict[str, OwnStart] = {}
        self._unwanted: set[str] = set()
        self._tidying: set[asyncio.Task[None]] = set()
        self._over = False

    def get(self, name: str) -> OwnStart | None:
        """The start that waits to be taken up."""
        return self._waiting.get(name)

    def unwanted(self, name: str) -> bool:
        """Whoever started it has gone: it must not run, should it be bound after all."""
        start = self._waiting.get(name)
        return name in self._unwanted or (start is not None and start.unwanted)

    @property
    def busy(self) -> bool:
        """Somebody waits, or an object that nobody will have is still to be removed."""
        return bool(self._waiting or self._tidying)

    def leave(self) -> None:
        """The pod takes nothing more."""
        for start in self._waiting.values():
            start.withdraw("the pod is leaving")

    def end(self) -> None:
        """At once: what has not been tidied up stays until its time is over."""
        self._over = True
        self.leave()
        for task in (*self._tidying, *((self._feeding,) if self._feeding is not None else ())):
            task.cancel()

    async def place(self, wanted: Wanted) -> Attempt:
        """Returns when this pod has taken it up; raises what `greenroom.errors` has for it. A start that is refused,
        or whose caller is cancelled, leaves no object behind."""
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
                self._tidy(start)
            raise
        finally:
            del self._waiting[start.name]
            self._on_settled()

    # --- waiting for the verdict ---

    async def _placed(self, start: OwnStart) -> Attempt:
        begun = self._clock.boot()
        wanted = start.wanted
        runtime = await self._fleet.recent(wanted.limits.start_deadline_seconds or own.START_DEADLINE_SECONDS)
        seconds = own.start_deadline_seconds(wanted, runtime)
        body = own.session_object(wanted, start.name, self._settings, runtime)
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
            meta = session.metadata
            try:
                await self._client.delete(
                    SESSIONS, meta.namespace, meta.name, uid=meta.uid, resource_version=meta.resource_version
                )
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

    async def _removed(self, start: OwnStart) -> None:
        """Deletes what may have been created. It stays unwanted for good: a create that is carried out later, or a bind
        that the feed shows after the deletion has been answered, will not run here."""
        uid = start.session.metadata.uid if start.session is not None else ""
        for pause_seconds in _CLEAN_UP_PAUSES_SECONDS:
            await self._clock.sleep(pause_seconds)
            try:
                await self._client.delete(SESSIONS, self._settings.namespace, start.name, uid=uid)
            except NotFound:
                if not uid:
                    continue
            except KubeError as problem:
                logger.debug("session %s: not removed yet: %s", start.name, problem)
                continue
            return

    def _tidy(self, start: OwnStart) -> None:
        self._unwanted.add(start.name)
        if self._over:
            return
        task = self._spawn(self._removed(start), f"removal of {start.name}")
        self._tidying.add(task)
        task.add_done_callback(self._tidied)

    def _tidied(self, task: asyncio.Task[None]) -> None:
        self._tidying.discard(task)
        self._on_settled()


def _as_told(refusal: Refused) -> Exception:
    """What the API server's no to a creation is to who asked for it."""
    if isinstance(refusal, Invalid):
        return InvalidParameters(refusal.message)
    return RegistryUnavailable(f"the session could not be created: {refusal}")
