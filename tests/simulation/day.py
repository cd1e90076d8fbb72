"""Plays one day: programs, work and trouble until dusk; then all is put right, and everything has to come to rest."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fakes.processes import run_processes
from tests.simulation.cast import Cast
from tests.simulation.clients import Clients
from tests.simulation.happenings import Happenings
from tests.simulation.kubelets import LOOK_SECONDS
from tests.simulation.script import DAY_SECONDS, Script
from tests.simulation.verdict import judged

from greenroom_core.model import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.journal import Journal
    from tests.simulation.kubectl import Object

OPERATORS, APIS = 2, 2
REST_SECONDS, FLEETS_REST_SECONDS = 400.0, 600.0
"""How long sessions, and then fleets, may take to come to rest."""

_LIMIT_SECONDS = DAY_SECONDS + REST_SECONDS + FLEETS_REST_SECONDS + 400.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """`broken` has a text for each promise that did not hold; `digest` is the same only for the same run."""

    broken: tuple[str, ...]
    digest: str
    sessions: int
    journal: Journal


def play(script: Script, *, told: bool = False) -> Outcome:
    """`told`: keep the journal's lines."""
    collects = gc.isenabled()
    gc.disable()  # a generator that the collector finds ends then and there, and that would be chance
    try:
        return run_processes(_day(script, told=told), limit_seconds=_LIMIT_SECONDS)
    finally:
        gc.collect()
        if collects:
            gc.enable()


async def _day(script: Script, *, told: bool) -> Outcome:
    cast = Cast(script)
    if told:
        cast.journal.lines = []
    clients = Clients(cast)
    happenings = Happenings(cast, clients)
    kubelets = cast.loop.create_task(_look_again_and_again(cast))
    cast.begin(OPERATORS, APIS)
    happenings.create_fleets()
    broken: list[str] = []
    begun = cast.loop.time()
    for event in script.events:
        await asyncio.sleep(max(begun + event.at - cast.loop.time(), 0.0))
        happenings.happen(event)
    await asyncio.sleep(max(begun + DAY_SECONDS - cast.loop.time(), 0.0))
    happenings.calm()
    await asyncio.sleep(1.0)

    def over() -> bool:
        happenings.close_all()  # also of those whose creation was still on its way
        return not _unfinished(cast, clients)

    if not await _comes_true(over, REST_SECONDS):
        broken += _unfinished(cast, clients)
    if not await _comes_true(lambda: not _unsettled(cast), FLEETS_REST_SECONDS):
        broken += _unsettled(cast)
    broken += [*cast.failures(), *clients.broken, *cast.actors.broken, *judged(script, cast.journal)]
    digest, sessions = cast.journal.digest, len({event.uid for event in cast.journal.events if event.kind == "session"})
    kubelets.cancel()
    await cast.end()
    return Outcome(tuple(broken), digest, sessions, cast.journal)


async def _look_again_and_again(cast: Cast) -> None:
    while True:
        cast.kubelets.look()
        await asyncio.sleep(LOOK_SECONDS)


async def _comes_true(holds: Callable[[], bool], seconds: float) -> bool:
    end = asyncio.get_running_loop().time() + seconds
    while not holds():
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(1.0)
    return True


def _unfinished(cast: Cast, clients: Clients) -> list[str]:
    """Sessions that are not over, and clients that still wait."""
    found = [
        f"I4 stuck: {body['metadata']['name']} is {body['status']['phase']} long after dusk"
        for body in cast.kubectl.sessions()
        if "endedAt" not in body["status"] or "deletionTimestamp" in body["metadata"]
    ]
    if clients.waiting:
        found.append(f"{clients.waiting} clients still wait")
    left = [each for each in cast.actors.on_stage if each.pod.pod_name not in cast.kubelets.cut]
    return found + [f"I4 stuck: the agent of {each.session} is still there" for each in left]


def _unsettled(cast: Cast) -> list[str]:
    """Fleets that are not as they shall be. Pods of an old revision stay until the new one has proven itself, which
    takes five minutes where no session comes."""
    found = []
    for runtime in cast.kubectl.runtimes():
        name, spec = runtime["metadata"]["name"], runtime["spec"]
        least, most = _bounds(spec)
        new = old = 0
        for pod in cast.kubectl.pods():
            labels = pod["metadata"]["labels"]
            live = pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
            if live and labels[names.RUNTIME_LABEL] == name:
                new += (current := labels[names.REVISION_LABEL] == runtime.get("status", {}).get("revision"))
                old += not current
        # One more than its size while it rolls out, with one at least of those to come.
        rolling = old and new and least <= new + old <= most + 1
        if "deletionTimestamp" in runtime["metadata"] or not (rolling or (not old and least <= new <= most)):
            found.append(f"fleet {name} has not come to rest: {new} and {old} old ones of {least} to {most} pods run")
    return found


def _bounds(spec: Object) -> tuple[int, int]:
    scaling = spec.get("autoscaling")
    return (spec["replicas"],) * 2 if scaling is None else (scaling["minPods"], scaling["maxPods"])
