"""Those who ask for sessions and for what becomes of them: REST clients of an API, and agents' own code in a pod."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from tests.invariants import KeyedAnswer
from tests.simulation.script import TEAM

from greenroom.errors import RegistryUnavailable, SessionLimitExceeded, StartAbandoned, StartTimedOut
from greenroom_api.backend import BackendUnavailable, ListQuery, Started, StartRequest
from greenroom_core.model.session import RestartPolicy, SessionLimits

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.simulation.cast import Cast
    from tests.simulation.kubectl import Object
    from tests.simulation.programs import ApiProgram, PodProgram, Program

START_LABEL = "simulation/start"
LONGEST_SECONDS = 60.0 + 90.0 + 30.0 + 40.0
"""What a start may take: its deadline, a pod that keeps silent, its withdrawal, and a program that stood still or was
cut off meanwhile."""


class Clients:
    """`broken` holds what a client was told and should not have been."""

    def __init__(self, cast: Cast) -> None:
        self.broken: list[str] = []
        self.started: set[str] = set()
        """Sessions by name that a client without a key was told to be running."""
        self._cast = cast
        self._journal = cast.journal
        self._visits: dict[asyncio.Task[None], asyncio.Task[Any]] = {}
        self._number = 0

    @property
    def waiting(self) -> int:
        return len(self._visits)

    def start(self, api: ApiProgram, wanted: Object) -> None:
        self._number += 1
        number = str(self._number)
        request = _request(wanted, number)
        self._visit(api, api.backend.start(request), number, request)  # type: ignore[union-attr]

    def start_own(self, pod: PodProgram, wanted: Object) -> None:
        self._number += 1
        limits = msgspec.convert(wanted.get("limits", {}), SessionLimits)
        work = pod.launcher.start_session(wanted["call"], parameters={"act": wanted["act"]}, limits=limits)
        self._visit(pod, work, str(self._number))

    def close(self, api: ApiProgram, session: Object) -> None:
        meta, spec = session["metadata"], session["spec"]
        self._visit(api, api.backend.request_close(spec["callId"], meta["name"]))  # type: ignore[union-attr]

    def figures(self, api: ApiProgram, session: Object) -> None:
        meta, spec = session["metadata"], session["spec"]
        self._visit(api, api.backend.metrics(spec["callId"], meta["name"]))  # type: ignore[union-attr]

    def read(self, api: ApiProgram, session: Object) -> None:
        self._visit(api, _read(api, session["spec"]["callId"], session["metadata"]["name"]))

    def hang_up(self, pick: float) -> None:
        """One of those who wait has gone."""
        visits = list(self._visits)
        if visits:
            visits[int(pick * len(visits)) % len(visits)].cancel()

    def _visit(
        self, program: Program, work: Coroutine[Any, Any, Any], number: str = "", request: StartRequest | None = None
    ) -> None:
        served = program.process.start(work, "serves")
        visit = self._cast.loop.create_task(self._visited(program, served, number, request))
        self._visits[visit] = served
        visit.add_done_callback(self._over)

    async def _visited(
        self, program: Program, served: asyncio.Task[Any], number: str, request: StartRequest | None
    ) -> None:
        deeds, begun = self._journal.deeds, self._cast.loop.time()
        try:
            await asyncio.wait((served, program.gone), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._journal.note(f"{program.name}: client {number} hangs up")
            deeds.loose.add(number)
            served.cancel()
            return
        if self._cast.loop.time() - begun > LONGEST_SECONDS:
            self.broken.append(f"client {number} of {program.name} waited for {self._cast.loop.time() - begun:g} s")
        if not served.done() or served.cancelled():
            deeds.loose.add(number)
        elif (error := served.exception()) is not None:
            deeds.loose.add(number)
            self._told_of(program, error)
        else:
            self._answered(number, request, served.result())

    def _answered(self, number: str, request: StartRequest | None, answer: Any) -> None:
        self._journal.note(f"client {number}: {type(answer).__name__}")
        if request is None or not isinstance(answer, Started):
            if request is not None:
                self._journal.deeds.loose.add(number)
        elif request.idempotency_key is not None:
            self._journal.answers.append(
                KeyedAnswer(request.call_id, request.idempotency_key, answer.session.session_id)
            )
        else:
            self.started.add(answer.session.session_id)

    def _told_of(self, program: Program, error: BaseException) -> None:
        self._journal.note(f"{program.name}: {error!r}")
        usual = BackendUnavailable, RegistryUnavailable, SessionLimitExceeded, StartAbandoned, StartTimedOut
        scripted = str(error) in ("no voice of that name", "the call is not to be had")
        leaving = "the pod does not run" in str(error)
        if not isinstance(error, usual) and not scripted and not leaving:
            self.broken.append(f"client of {program.name}: {error!r}")

    def _over(self, visit: asyncio.Task[None]) -> None:
        del self._visits[visit]


async def _read(api: ApiProgram, call: str, name: str) -> None:
    backend = api.backend
    assert backend is not None
    session = await backend.get(call, name)
    if session is not None:
        backend.place_in_queue(session)
    await backend.list(ListQuery(call_id=call))


def _request(wanted: Object, number: str) -> StartRequest:
    restart = wanted.get("restart")
    key = wanted.get("key")
    return StartRequest(
        call_id=wanted["call"],
        runtime=wanted.get("runtime", "default"),
        parameters={"act": wanted["act"]},
        limits=msgspec.convert(wanted.get("limits", {}), SessionLimits),
        priority=wanted.get("priority", 0),
        restart_policy=RestartPolicy(restart) if restart is not None else None,
        ttl_seconds_after_finished=wanted.get("ttl"),
        # The same key has to come with the same request.
        labels={} if key is not None else {TEAM: wanted.get("team", "red"), START_LABEL: number},
        idempotency_key=key,
    )
