"""Errors put into the programs on purpose, one at a time, so that it shows that a simulation finds them.

Each is a promise given up in one place, as somebody might give it up who did not know what it is for.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from tests.simulation.day import play
from tests.simulation.drawing import draw

from greenroom.runtime.attempt import Attempt
from greenroom.runtime.residents import Residents
from greenroom_api.cluster import objects
from greenroom_core.kube.errors import Refused, Unanswered
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.kube.patches import versioned_status
from greenroom_operator import program
from greenroom_operator.cluster.writer import Writer
from greenroom_operator.loops import pod_examinations
from greenroom_operator.planning import fleet, lifecycle
from greenroom_operator.planning.values import Bind, WriteStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


@contextmanager
def late_slot() -> Iterator[None]:
    """A pod says that a session has ended, and frees its slot only then."""
    with mock.patch.object(Residents, "_on_ended", lambda self, attempt, reason: self._figures.ended(reason)):
        yield


@contextmanager
def absence_is_proof() -> Iterator[None]:
    """A pod ends an agent because its watch does not show the session any more."""
    observe = Attempt.observe

    def hastily(self: Attempt, session: Any) -> None:
        if session is None and self.life is not None:
            self._writer._lose("it is gone")
        else:
            observe(self, session)

    with mock.patch.object(Attempt, "observe", hastily):
        yield


@contextmanager
def unready_is_lost() -> Iterator[None]:
    """A pod that is not ready is given up with all its calls."""

    def hastily(pod: Any, uid: str, now: Any) -> bool:
        return pod.metadata.uid != uid or not pod.ready

    gone_at = lifecycle.presumed_gone_at

    def at_once(pod: Any) -> Any:
        return gone_at(pod) if pod.ready else pod.metadata.creation_timestamp

    with (
        mock.patch.object(pod_examinations, "is_lost", hastily),
        mock.patch.object(lifecycle, "presumed_gone_at", at_once),
    ):
        yield


@contextmanager
def forgotten_keys() -> Iterator[None]:
    """The same key gives a new session each time."""
    name = objects.session_name

    def anew(request: Any, namespace: str, random: Any) -> str:
        return name(replace(request, idempotency_key=None), namespace, random)

    with mock.patch.object(objects, "session_name", anew):
        yield


@contextmanager
def busy_pods_go() -> Iterator[None]:
    """A pod that is not needed goes, whether it has sessions or not."""
    with mock.patch.object(fleet, "_empty", return_value=True):
        yield


@contextmanager
def removed_fence() -> Iterator[None]:
    """A new leader binds at once, whatever its predecessor may have sent."""

    async def none(client: Any, feed: Any, epoch: int) -> int:
        return 0

    with mock.patch.object(program, "fence", none):
        yield


@contextmanager
def careless_take_back() -> Iterator[None]:
    """What its pod does not start is taken back, whatever has become of it meanwhile."""
    send = Writer._send

    async def carelessly(self: Writer, write: Any) -> Any:
        if not isinstance(write, WriteStatus) or write.purpose != "take-back":
            return await send(self, write)
        meta, patch = write.session.metadata, {"status": versioned_status("", write.fields)["status"]}
        return await self._client.merge_patch(SESSIONS, meta.namespace, meta.name, patch, subresource="status")

    with mock.patch.object(Writer, "_send", carelessly):
        yield


@contextmanager
def forgotten_bind() -> Iterator[None]:
    """A bind that gets no answer counts as one that never was."""
    carry_out = Writer.session

    async def once(self: Writer, write: Any) -> Any:
        if isinstance(write, Bind):
            try:
                return await self._send(write)
            except Unanswered:
                return write.session
            except Refused:
                return await self.read_session(write.session)
        return await carry_out(self, write)

    with mock.patch.object(Writer, "session", once):
        yield


MUTATIONS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    each.__name__: each
    for each in (
        late_slot,
        absence_is_proof,
        unready_is_lost,
        forgotten_keys,
        busy_pods_go,
        removed_fence,
        careless_take_back,
        forgotten_bind,
    )
}


def first_catch(mutation: str, seeds: int) -> tuple[int, str] | None:
    """The first seed that shows it, and as what."""
    with MUTATIONS[mutation]():
        for seed in range(seeds):
            try:
                broken = play(draw(seed)).broken
            except Exception as error:
                return seed, repr(error)[:200]
            if broken:
                return seed, broken[0].splitlines()[0]
    return None
