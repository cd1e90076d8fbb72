"""Operators, API and runtime pods together on bad days: seeded faults on every connection, crashes, pauses, an outage.

The invariant checker judges each day. A seed that fails replays exactly. GREENROOM_BAD_DAYS=1000 makes a long run.
"""

from __future__ import annotations

import asyncio
import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.apiserver import Faults
from tests.fakes.apiserver.faults import refusal
from tests.fakes.virtual_time import run_virtual
from tests.invariants import Recorder, Tolerance, assert_holds
from tests.unit.whole.stage import NAMESPACE, Stage, stage

from greenroom_api.backend import StartRequest
from greenroom_core.kube.errors import KubeError, NotFound
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.kube.transport import TransportError

if TYPE_CHECKING:
    from greenroom_core.kube.transport import Answer, Request

SEEDS = int(os.environ.get("GREENROOM_BAD_DAYS", "24"))
DAY_SECONDS = 120.0
CALLS = 5
TEAM = "example.com/team"
QUEUES: list[dict[str, Any]] = [{}, {"fairBy": TEAM}, {"fairBy": TEAM, "whenFull": "Refuse"}]
"""One of them for each day, in turn."""
TOLERANCE = Tolerance(quiet_seconds=150.0, longest_seconds=300.0, decision_seconds=60.0)


class BadDay(Faults):
    """While `bad`, about one request in six goes wrong, and watches lag."""

    def __init__(self, here: Stage, random: Random) -> None:
        self.bad = True
        self._here = here
        self._random = random

    async def before(self, request: Request) -> Answer | None:
        if not self.bad:
            return None
        match self._random.randrange(40):
            case 0:
                raise TransportError("connection refused", sent=False)
            case 1:
                raise TransportError("connection reset by peer")
            case 2:
                return refusal(*self._random.choice([(500, ""), (403, "Forbidden"), (429, "TooManyRequests")]))
            case 3:
                await self._here.clock.sleep(self._random.uniform(0, 25))
            case 4 | 5:
                await self._here.clock.sleep(self._random.uniform(0, 2))
        return None

    async def after(self, request: Request, answer: Answer) -> Answer:
        if self.bad and self._random.randrange(30) == 0:
            raise TransportError("connection reset by peer")
        return answer

    def watch_delay_seconds(self, request: Request) -> float:
        return self._random.choice([0.0, 0.0, 0.0, 0.05, 0.5, 3.0]) if self.bad else 0.0


class Day:
    """One day of `seed`: what happens is drawn from it, one thing after the other."""

    def __init__(self, here: Stage, seed: int) -> None:
        self.here = here
        self.random = Random(seed)
        self.faults = BadDay(here, Random(seed + 1))
        self.asked: list[asyncio.Task[Any]] = []
        self._operators: list[asyncio.Task[Any]] = []
        self._number = 0
        self._recorded_from = 0.0

    def start_operator(self) -> None:
        self._number += 1
        operator, task = self.here.start_operator(f"operator-{self._number}")
        operator._world.transport.faults = self.faults  # type: ignore[attr-defined]
        self._operators.append(task)

    async def run(self, api: Any) -> None:
        here, random = self.here, self.random
        begun = here.clock.boot()
        while here.clock.boot() - begun < DAY_SECONDS:
            match random.randrange(20):
                case 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7:
                    self._start_by_rest(api)
                case 8 | 9 | 10 | 11:
                    await self._start_by_kubectl()
                case 12 | 13 | 14:
                    await self._end_one()
                case 15:
                    self._crash_an_operator()
                case 16:
                    await self._kill_a_pod()
                case 17:
                    self._pause_an_operator()
                case 18 if here.clock.boot() > self._recorded_from:
                    here.server.compact()
                case 19 if random.randrange(3) == 0:
                    self._outage()
            await here.clock.sleep(random.expovariate(1 / 2.0))

    def _start_by_rest(self, api: Any) -> None:
        call = self.random.randrange(CALLS)
        request = StartRequest(
            call_id=f"c{call}",
            idempotency_key=f"k{self.random.randrange(12)}" if self.random.randrange(3) == 0 else None,
            labels={TEAM: "blue" if call % 2 else "red"} if call else {},
        )

        async def start() -> None:
            try:
                await api.start(request)
            except Exception as error:
                if type(error).__name__ != "BackendUnavailable":
                    raise

        task = self.here.start(start(), "client")
        self.asked.append(task)
        if self.random.randrange(5) == 0:
            asyncio.get_running_loop().call_later(self.random.uniform(0, 5), task.cancel)

    async def _start_by_kubectl(self) -> None:
        self._number += 1
        spec: dict[str, Any] = {"limits": {"startDeadlineSeconds": 30, "maxDurationSeconds": 40}}
        if self.random.randrange(2):
            spec["restartPolicy"] = "OnPodLoss"
        if self.random.randrange(3) == 0:
            spec["ttlSecondsAfterFinished"] = 5
        await self.here.create_session(f"s{self._number}", call=f"c{self.random.randrange(CALLS)}", **spec)

    async def _end_one(self) -> None:
        living = [body["metadata"]["name"] for body in self.here.server.objects("agentsessions")]
        if not living:
            return
        name = self.random.choice(living)
        try:
            if self.random.randrange(2):
                await self.here.close(name)
            else:
                await self.here.client.delete(SESSIONS, NAMESPACE, name)
        except (NotFound, KubeError):
            return

    def _crash_an_operator(self) -> None:
        """Between any two of its awaits; what it had sent goes on travelling."""
        self._operators.pop(self.random.randrange(len(self._operators))).cancel()
        self.start_operator()

    def _pause_an_operator(self) -> None:
        """Its connections stand still and then go on, leases come and go meanwhile."""
        here, seconds = self.here, self.random.uniform(1, 15)
        transport = self.random.choice(here.transports)
        transport.hold()
        asyncio.get_running_loop().call_later(seconds, transport.release)

    async def _kill_a_pod(self) -> None:
        running = here_running(self.here)
        if running:
            await self.here.kill_pod(self.random.choice(running))

    def _outage(self) -> None:
        """The past is not forgotten before the recorder has caught up: what it misses, nobody can judge."""
        seconds = self.random.uniform(1, 20)
        self._recorded_from = self.here.clock.boot() + seconds + 2.0
        self.here.server.stop()
        asyncio.get_running_loop().call_later(seconds, self.here.server.start)


def here_running(here: Stage) -> list[str]:
    return sorted(
        body["metadata"]["name"]
        for body in here.server.objects("pods")
        if body.get("status", {}).get("phase") == "Running" and "deletionTimestamp" not in body["metadata"]
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_promise_holds(seed: int) -> None:
    async def story() -> None:
        async with stage() as here:
            recorder = Recorder(here.server.transport("recorder"), NAMESPACE, here.clock)
            here.start(recorder.run(), "recorder")
            await recorder.started.wait()
            day = Day(here, seed)
            here.pod_faults = day.faults
            day.start_operator()
            day.start_operator()
            limits = {"maxSessionsPerCall": 2, "maxConcurrentSessions": 7}
            await here.create_runtime(replicas=2, sessionsPerPod=3, limits=limits, queue=QUEUES[seed % len(QUEUES)])
            async with here.api() as api:
                api._view.client.world.transport.faults = day.faults
                await day.run(api)
                day.faults.bad = False
                here.server.start()
                for transport in here.transports:
                    transport.release()
                await asyncio.wait(day.asked)
            await here.clock.sleep(400)
            for body in here.server.objects("agentsessions"):
                if body["status"]["phase"] not in ("Closed", "Failed"):
                    await here.close(body["metadata"]["name"])
            await here.clock.sleep(60)
            here.check()
            assert_holds(recorder.events, TOLERANCE)

    run_virtual(story(), limit_seconds=3_000)
