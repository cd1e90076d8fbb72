"""The set-up: an operator, an API, a fleet whose pods are objects only, and one process that speaks for all of them."""

from __future__ import annotations

import asyncio
import random
import sys
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.bench.scale.node import SimulatedNodes
from tests.bench.scale.witness import Witness
from tests.stack.fleet import RUNTIME_ACCOUNT, FleetPlan
from tests.stack.meters import samples
from tests.stack.programs import Launchpad, Program, install_accounts
from tests.stack.rest import Rest

from greenroom_core.clock import SystemClock
from greenroom_core.kube.client import KubeClient
from greenroom_core.kube.http import HttpTransport
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.kube.patches import annotation_patch
from greenroom_core.model import names
from greenroom_core.world import World
from greenroom_local.children import ChildProcess, Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from greenroom_local.control_plane import ControlPlane

ROOT = Path(__file__).resolve().parents[3]
AT_A_TIME = 48
READY_SECONDS, JOINED_SECONDS, ENDED_SECONDS = 120.0, 120.0, 120.0
_STOP_SECONDS = 10.0


class Field:
    """``async with Field(plane, directory, pods=1000, slots=10) as field:``: that many pods are ready inside.

    `say` is told how far it has come.
    """

    def __init__(
        self,
        plane: ControlPlane,
        directory: Path,
        *,
        pods: int,
        slots: int,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.plane = plane
        self.namespace = f"scale-{uuid.uuid4().hex[:8]}"
        self.pods, self.slots = pods, slots
        self.say = say
        self.operators: list[Program] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._directory = directory / self.namespace
        self._launchpad = Launchpad(plane, self.namespace, self._directory)
        self._made = self._replicas = 0
        self._children: list[ChildProcess] = []
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._opened.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def _open(self) -> None:
        await self.plane.ensure_namespace(self.namespace)
        await install_accounts(self.plane, self.namespace)
        transport = HttpTransport(self.plane.credentials(), user_agent="greenroom-bench", connections_limit=120)
        await self._opened.enter_async_context(transport)
        self.client = KubeClient(World(SystemClock(), random.Random(), transport), deadline_seconds=60)
        self.witness = Witness(self.client, self.namespace, self.slots)
        self._nodes = SimulatedNodes(self.client, self.namespace)
        self._opened.push_async_callback(self._stop)
        self.tasks = [asyncio.create_task(self.witness.run()), asyncio.create_task(self._nodes.run())]
        self.crowd = self._started(await self._crowd())
        self.operators.append(await self.operator())
        self.api = await self._launchpad.api(0)
        self._started(self.api.process)
        path = f"/apis/{names.API_VERSION}/namespaces/{self.namespace}/agentruntimes/{names.DEFAULT_RUNTIME}"
        fleet = FleetPlan(pods=self.pods, slots=self.slots).body(self._directory / "journal")
        await self.plane.admin.apply(path, fleet)
        self.rest = await self._opened.enter_async_context(Rest(self.api.url))
        for program in (*self.operators, self.api):
            await program.until_ready()
        await self._until_pods_ready()

    async def operator(self) -> Program:
        """One more replica, started."""
        program = await self._launchpad.operator(self._replicas)
        self._replicas += 1
        self._started(program.process)
        return program

    async def fill(self, live: int) -> float:
        """Creates sessions directly until `live` of them live and are in their calls, so many at a time as
        :data:`AT_A_TIME` says; the seconds that it took."""
        begun = asyncio.get_running_loop().time()
        missing = live - len(self.witness.live)
        showing = asyncio.create_task(self._show(live))
        try:
            await self._each(self.session_bodies(missing), self._start)
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
        return asyncio.get_running_loop().time() - begun

    def session_bodies(self, count: int) -> list[dict[str, Any]]:
        """As the API would create them: finalizer, parameters, labels and all."""
        first, self._made = self._made, self._made + count
        return [
            {
                "apiVersion": names.API_VERSION,
                "kind": "AgentSession",
                "metadata": {"name": str(uuid.uuid4()), "finalizers": [names.LEAVE_CALL]},
                "spec": {
                    "callId": f"call-{number}",
                    "parameters": {"greeting": "hello", "language": "en"},
                    "limits": {"startDeadlineSeconds": 120},
                    "ttlSecondsAfterFinished": 3600,
                },
            }
            for number in range(first, first + count)
        ]

    async def create(self, body: Mapping[str, Any]) -> None:
        await self.client.create(SESSIONS, self.namespace, body)

    async def _start(self, body: Mapping[str, Any]) -> None:
        name = body["metadata"]["name"]
        await self.create(body)
        await self.witness.until(lambda: name in self.witness.joined, JOINED_SECONDS, f"{name} in its call")

    async def close(self, sessions: Iterable[str]) -> None:
        """Asks for their end and sees it."""
        closing = set(sessions)

        async def close(name: str) -> None:
            await self.client.merge_patch(
                SESSIONS, self.namespace, name, annotation_patch({names.CLOSE_REQUESTED: "now"})
            )

        await self._each(closing, close)
        await self.witness.until(
            lambda: not closing & self.witness.live, ENDED_SECONDS, "the end of those that were closed"
        )

    async def free_slots(self) -> int:
        """As the operator knows them."""
        page = await self.operators[0].metrics()
        return int(sum(value for _, value in samples(page, "greenroom_fleet_free_slots")))

    async def epoch(self) -> int:
        """Which term of leadership this is; on a machine that is far too busy there may be several."""
        page = await self.operators[0].metrics()
        return int(next(value for _, value in samples(page, "greenroom_operator_epoch")))

    async def writes_for(self, purpose: str) -> int:
        """Of the operator, on sessions."""
        page = await self.operators[0].metrics()
        found = samples(page, "greenroom_write_seconds_count")
        return int(sum(value for labels, value in found if labels["purpose"] == purpose))

    def check(self) -> None:
        """Nothing was wrong so far, and no program tripped over itself."""
        assert not self.witness.wrongs, self.witness.wrongs[:20]
        for task in self.tasks:
            assert not task.done(), task
        for program in (*self.operators, self.api):
            assert "Traceback" not in program.log, f"{program.name} tripped:\n{program.log[-4000:]}"
        crowd = self.crowd.last_lines(40)
        assert self.crowd.running, f"the crowd has ended:\n{crowd}"
        assert "Traceback" not in crowd, crowd

    async def _each(self, items: Iterable[Any], work: Callable[[Any], Any]) -> None:
        waiting = iter(items)

        async def some() -> None:
            for item in waiting:
                await work(item)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_A_TIME):
                group.create_task(some())

    async def _show(self, live: int) -> None:
        while True:
            await asyncio.sleep(10)
            self.say(f"{len(self.witness.joined)} of {live} sessions live")

    async def _until_pods_ready(self) -> None:
        told = 0
        async with asyncio.timeout(READY_SECONDS + self.pods / 2):
            while len(self._nodes.ready) < self.pods:
                self._nodes.changed.clear()
                await self._nodes.changed.wait()
                if len(self._nodes.ready) >= told + 250:
                    told = len(self._nodes.ready)
                    self.say(f"{told} of {self.pods} pods ready")
            while await self.free_slots() < self.pods * self.slots:
                await asyncio.sleep(0.2)

    def _started(self, child: ChildProcess) -> ChildProcess:
        child.start()
        self._children.append(child)
        return child

    async def _crowd(self) -> ChildProcess:
        account = await self._launchpad.account("crowd", RUNTIME_ACCOUNT)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self._directory), **account}
        words = [sys.executable, "-m", "tests.bench.scale.crowd"]
        log_file = self._directory / "logs" / "crowd.log"
        return ChildProcess(Command("crowd", words, environment, log_file, ROOT), SystemClock())

    async def _stop(self) -> None:
        await asyncio.gather(*(child.stop(_STOP_SECONDS) for child in self._children))
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
