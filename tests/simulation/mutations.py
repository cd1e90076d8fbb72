"""Errors put into the programs on purpose, one at a time, so that it shows that a simulation finds them.

Each is a promise given up in one place, as somebody might give it up who did not know what it is for.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from tests.simulation.day import play
from tests.simulation.script import draw

from greenroom.runtime.attempt import Attempt
from greenroom.runtime.residents import Residents
from greenroom_api.cluster import objects
from greenroom_operator.loops import pod_examinations
from greenroom_operator.planning import fleet, lifecycle

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


MUTATIONS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    each.__name__: each
    for each in (
        late_slot,
        absence_is_proof,
        unready_is_lost,
        forgotten_keys,
        busy_pods_go,
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
