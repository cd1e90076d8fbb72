"""The programs of a day: operators, APIs and runtime pods, each a process of its own with clocks and a road of its own.

A road is what lies between a program and the API server, with the faults that the script has for it.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from tests.fakes.apiserver import FakeApiServer, Faults, refusal
from tests.fakes.operator_shell import operator_in_shell
from tests.fakes.processes import Process
from tests.fakes.virtual_time import EPOCH, START_SECONDS, VirtualClock
from tests.simulation.script import FAULTY_REQUESTS, Fault, Place, Script

from greenroom.hosts.pod import PodHost
from greenroom.launcher import AgentLauncher
from greenroom.runtime.pod import RuntimePod
from greenroom.runtime.settings import RuntimeSettings
from greenroom_api.cluster import ClusterBackend
from greenroom_core.kube.transport import Answer, Request, TransportError
from greenroom_core.world import World
from greenroom_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from tests.simulation.actors import Actors

NAMESPACE = "default"
_REASONS = {500: "InternalError", 503: "ServiceUnavailable", 429: "TooManyRequests", 403: "Forbidden"}


class ProgramClock(VirtualClock):
    """Clocks that need not agree with anybody's: another time of day, another rate."""

    def __init__(self, place: Place) -> None:
        super().__init__(skew_seconds=place.skew_seconds)
        self._boot_seconds, self._rate = place.boot_seconds, place.rate

    def wall(self) -> datetime:
        return EPOCH + timedelta(seconds=super().boot() - START_SECONDS + self.skew_seconds)

    def boot(self) -> float:
        return self._boot_seconds + super().boot() * self._rate

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / self._rate)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        return super().timeout(None if seconds is None else seconds / self._rate)

    def later(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        return super().later(seconds / self._rate, act)


class Road(Faults):
    """`faults` by what the request is and its number among those. `told` hears of each request and its fault."""

    def __init__(
        self, place: Place, faults: Mapping[str, Mapping[int, Fault]], told: Callable[[Request, str], None]
    ) -> None:
        self.calm = False
        self.lag_seconds = self._lag_seconds = place.lag_seconds
        self.slow_seconds = 0.0
        """So much longer do writes travel that are sent now."""
        self.loses_replies = False
        self.back_versions = 0
        """So many versions before the one asked for the next watch begins."""
        self._way_seconds = place.way_seconds
        self._faults = faults
        self._told = told
        self._numbers = dict.fromkeys(faults, 0)
        self._after: WeakKeyDictionary[asyncio.Task[Any], Fault] = WeakKeyDictionary()
        """By trip. An address is no key: what a trip that came to no answer leaves behind would befall whichever
        request is the next to live there, which is chance."""

    def clear(self) -> None:
        """All is well from now on, but that every way takes its time."""
        self.calm, self.lag_seconds, self.back_versions = True, self._lag_seconds, 0
        self.slow_seconds, self.loses_replies = 0.0, False

    async def before(self, request: Request) -> Answer | None:
        fault = self._fault(request)
        self._told(request, fault.kind if fault is not None else "")
        if self._way_seconds:
            await asyncio.sleep(self._way_seconds)
        match fault:
            case None:
                return None
            case Fault("refuse"):
                raise TransportError("connection refused", sent=False)
            case Fault("lose"):
                raise TransportError("connection reset by peer")
            case Fault("status", status):
                return refusal(int(status), _REASONS[int(status)])
            case Fault("slow", seconds):
                await asyncio.sleep(seconds)
            case _:
                self._after[_trip()] = fault
        return None

    def _fault(self, request: Request) -> Fault | None:
        if self.calm:
            return None
        what = _what(request)
        self._numbers[what] = number = self._numbers.get(what, 0) + 1
        if what == "write" and self.slow_seconds:
            return Fault("slow", self.slow_seconds)
        if what == "write" and self.loses_replies:
            return Fault("reply")
        return self._faults.get(what, {}).get(number)

    async def after(self, request: Request, answer: Answer) -> Answer:
        match self._after.pop(_trip(), None):
            case Fault("reply"):
                raise TransportError("connection reset by peer")
            case Fault("late", seconds):
                await asyncio.sleep(seconds)
        if self._way_seconds:
            await asyncio.sleep(self._way_seconds)
        return answer

    def watched(self, request: Request) -> Request:
        version, back = request.query.get("resourceVersion", ""), self.back_versions
        if not back or not version:
            return request
        self.back_versions = 0
        return replace(request, query={**request.query, "resourceVersion": str(max(int(version) - back, 1))})

    def watch_delay_seconds(self, request: Request) -> float:
        return self.lag_seconds


def _trip() -> asyncio.Task[Any]:
    """Each request that is sent travels as a task of its own."""
    trip = asyncio.current_task()
    assert trip is not None
    return trip


def _what(request: Request) -> str:
    if "/leases" in request.path:
        return "lease"
    return "read" if request.method == "GET" else "write"


class Program:
    """One process of ours; `alive` until it is killed or has ended."""

    def __init__(self, server: FakeApiServer, script: Script, name: str, told: Callable[[str], None]) -> None:
        self.name = name
        self.alive = True
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once it is not alive any more: its connections break."""
        self.process = Process(name)
        place = script.places.get(name, Place())
        faults = {what: script.faults.get(f"{name} {what}", {}) for what in FAULTY_REQUESTS}
        self.road = Road(place, faults, lambda r, fault: told(f"{name} {r.method} {r.path} {r.body!r} {fault}"))
        self.transport = server.transport(name)
        self.transport.faults = self.road
        self.clock = ProgramClock(place)
        self.world = World(self.clock, Random(f"{script.seed}/{name}"), self.transport)
        self.task: asyncio.Task[Any] | None = None

    def kill(self) -> None:
        """It runs no further step; what it had sent goes on travelling."""
        self._leave()
        self.process.stop()
        self.transport.sever()

    def kill_after(self, steps: int, then: Callable[[], None]) -> None:
        """Kills it between two of its awaits."""

        def stopped() -> None:
            self.kill()
            then()

        self.process.stop_after(steps, stopped)

    def terminate(self) -> None:
        """As a signal to end does: it may still tidy up."""
        self._leave()
        if self.task is not None:
            self.task.cancel()

    def _leave(self) -> None:
        self.alive = False
        if not self.gone.done():
            self.gone.set_result(None)

    def error(self) -> BaseException | None:
        """What it has failed with."""
        task = self.task
        if task is None or not task.done():
            return None
        return asyncio.CancelledError() if task.cancelled() else task.exception()


class OperatorProgram(Program):
    def begin(self) -> None:
        self.operator, run = self.process.run(
            lambda: operator_in_shell(self.world, Settings(namespace=NAMESPACE), self.name)
        )
        self.task = self.process.start(run())


class ApiProgram(Program):
    backend: ClusterBackend | None = None

    def begin(self) -> None:
        self.task = self.process.start(self._live())

    @property
    def ready(self) -> bool:
        return self.alive and self.backend is not None and self.backend.ready

    async def _live(self) -> None:
        async with ClusterBackend(self.world, NAMESPACE) as self.backend:
            await asyncio.Event().wait()


class PodProgram(Program):
    """The process of one pod object."""

    def begin(self, pod: Mapping[str, Any], actors: Actors) -> None:
        environment = {item["name"]: item.get("value", "") for item in pod["spec"]["containers"][0]["env"]}
        self.uid = pod["metadata"]["uid"]
        self.pod_name = pod["metadata"]["name"]
        settings = RuntimeSettings(
            namespace=NAMESPACE,
            pod_name=self.pod_name,
            pod_uid=self.uid,
            runtime=environment["GREENROOM_RUNTIME"],
            slots=int(environment["GREENROOM_SLOTS"]),
            drain_timeout_seconds=float(environment["GREENROOM_DRAIN_TIMEOUT_SECONDS"]),
        )
        self.slots = settings.slots
        self.process.run(lambda: self._make(settings, actors))
        self.task = self.process.start(self.host.run())

    def _make(self, settings: RuntimeSettings, actors: Actors) -> None:
        troupe = actors.troupe(self)
        self.launcher = AgentLauncher(
            troupe.create_agent,
            troupe.join_call,
            clock=self.clock,
            agent_idle_timeout=0,
            start_timeout_seconds=20.0,
            leave_timeout_seconds=5.0,
        )
        self.runtime = RuntimePod(self.world, self.launcher, settings)
        self.host = PodHost(self.launcher.lives, lambda: nullcontext(self.runtime))
        self.launcher.host = self.host

    def leave(self) -> None:
        """SIGTERM."""
        self.process.run(self.host.leave)
