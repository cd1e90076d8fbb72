"""The life of one pod on the node: start, probes, status, end. A pod is one process life and never starts again."""

from __future__ import annotations

import asyncio
import base64
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from msgspec import field

from greenroom_core.kube.errors import KubeError, NotFound
from greenroom_core.kube.kinds import Kind, kind
from greenroom_core.model.meta import Resource
from greenroom_local.children import ChildProcess, Command
from greenroom_local.node.environment import Reference, command_of, environment_of, references
from greenroom_local.node.identity import Identity
from greenroom_local.node.pod import CannotStart, LocalPod
from greenroom_local.node.probes import Probe, Prober
from greenroom_local.node.record import PodRecord
from greenroom_local.node.status import Facts, status_of
from greenroom_local.ports import LOOPBACK, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from greenroom_core.kube.client import KubeClient

logger = logging.getLogger("greenroom.local.node")

_RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class House:
    """What all pods of a node share."""

    client: KubeClient
    prober: Prober
    ca_file: Path
    api_server_port: int
    folder: Path
    """One folder for each pod's own files goes here."""
    logs: Path
    working_directory: Path
    base_environment: Mapping[str, str]


class _Data(Resource, frozen=True):
    data: dict[str, str] = field(default_factory=dict)


class PodLife:
    """One pod. `observe` and `removed` may be called at any time; `run` returns when nothing is left to do."""

    def __init__(self, house: House, pod: LocalPod, on_news: Callable[[], None]) -> None:
        self.port = pod.host_port or free_ports(1)[0]
        self._on_news = on_news
        self._house = house
        self._pod = pod
        self._clock = house.client.world.clock
        self._facts = Facts(seen_at=self._clock.wall())
        self._child: ChildProcess | None = None
        self._identity = Identity(house.client, pod, house.folder / pod.metadata.uid, house.ca_file)
        self._record = PodRecord(house.client, pod.metadata)
        self._grace_seconds: float | None = None
        self._kill_at = float("inf")
        self._changed = asyncio.Event()
        self._ending = asyncio.Event()

    @property
    def name(self) -> str:
        return self._pod.metadata.name

    @property
    def pid(self) -> int | None:
        """The process id, None before the start."""
        return self._child.pid if self._child is not None else None

    @property
    def facts(self) -> Facts:
        """What is known of the process; `on_news` is called at every change."""
        return self._facts

    def observe(self, pod: LocalPod) -> None:
        """A newer state of the object."""
        self._pod = pod
        self._record.observe(pod)
        self._changed.set()
        if pod.metadata.deletion_timestamp is not None:
            self._end_within(pod.grace_seconds)

    def removed(self) -> None:
        """The object is certainly gone: the process has to end, and there is no status to write any more."""
        self._record.gone = True
        self._end_within(self._pod.grace_seconds)
        self._changed.set()

    def _end_within(self, grace_seconds: float) -> None:
        # A second deletion may shorten the grace, none can lengthen it. The object's own timestamp is no help:
        # it has whole seconds.
        if grace_seconds != self._grace_seconds:
            self._grace_seconds = grace_seconds
            self._kill_at = min(self._kill_at, self._clock.boot() + grace_seconds)
        self._ending.set()

    async def run(self) -> None:
        """From start to the end of the object."""
        try:
            if self._pod.started_before:
                await self._bury()
            elif not self._ending.is_set():
                await self._live()
            await self._ending.wait()
            await self._record.delete()
        finally:
            self._identity.remove()

    async def end_with_node(self, grace_seconds: float) -> None:
        """The node itself ends: the process too, and nobody is told."""
        if self._child is not None:
            await self._child.stop(grace_seconds)

    async def _bury(self) -> None:
        """A pod of an earlier life of this node: its process went with that node."""
        if not self._pod.finished:
            self._over(None, "NodeRestarted", "the node that ran it has been restarted, its process is dead")
            await self._write_status()

    async def _live(self) -> None:
        try:
            child = self._child = await self._start()
        except CannotStart as problem:
            logger.warning("pod %s cannot start: %s", self._pod.metadata.key, problem)
            self._over(None, "CannotStart", str(problem))
        else:
            await self._run_to_end(child)
        await self._write_status()

    async def _run_to_end(self, child: ChildProcess) -> None:
        watchers = [self._probe_readiness(), self._probe_liveness(child), self._end_on_request(child)]
        if self._pod.wants_token:
            watchers.append(self._identity.keep_fresh())
        await _beside(self._report_until_over(child), watchers)

    async def _start(self) -> ChildProcess:
        pod = self._pod
        values = {reference: await self._read(reference) for reference in references(pod)}
        if pod.wants_token:
            await self._first_token()
        wanted = environment_of(pod, LOOPBACK, values)
        environment = {**self._house.base_environment, **wanted, **self._given()}
        words = command_of(pod, environment)
        working_directory = self._house.working_directory / pod.container.get("workingDir", "")
        log = self._house.logs / f"{pod.metadata.name}.log"
        child = ChildProcess(
            Command(f"pod {pod.metadata.key}", words, environment, log, working_directory), self._clock
        )
        try:
            child.start()
        except OSError as error:
            raise CannotStart(f"{words[0]}: {error.strerror or error}") from None
        logger.info("pod %s started as process %d on port %d", pod.metadata.key, child.pid, self.port)
        ready = "readinessProbe" not in pod.container
        now = self._clock.wall()
        self._learn(replace(self._facts, started_at=now, ready=ready, ready_since=now))
        return child

    def _given(self) -> dict[str, str]:
        given = {
            "GREENROOM_PORT": str(self.port),
            "KUBERNETES_SERVICE_HOST": LOOPBACK,
            "KUBERNETES_SERVICE_PORT": str(self._house.api_server_port),
        }
        if self._pod.wants_token:
            given["GREENROOM_SERVICEACCOUNT_DIR"] = str(self._identity.folder)
        return given

    async def _read(self, reference: Reference) -> Mapping[str, str] | None:
        source: Kind[_Data] = kind("/api/v1", reference.plural, _Data)
        try:
            found = await self._house.client.get(source, self._pod.metadata.namespace, reference.name)
        except NotFound:
            return None
        except KubeError as error:
            raise CannotStart(f"{reference.plural} {reference.name} cannot be read: {error}") from None
        if reference.plural == "secrets":
            return {key: base64.b64decode(value).decode() for key, value in found.data.items()}
        return found.data

    async def _first_token(self) -> None:
        try:
            await self._identity.write()
        except KubeError as error:
            raise CannotStart(f"no service-account token: {error}") from None

    async def _probe_readiness(self) -> None:
        probe = Probe.read(self._pod.container.get("readinessProbe"), LOOPBACK, self.port)
        if probe is not None:
            await self._house.prober.watch_readiness(probe, self._set_ready)

    async def _probe_liveness(self, child: ChildProcess) -> None:
        probe = Probe.read(self._pod.container.get("livenessProbe"), LOOPBACK, self.port)
        if probe is None:
            return
        await self._house.prober.until_dead(probe)
        logger.warning("pod %s does not answer its liveness probe; it is ended", self._pod.metadata.key)
        await child.stop(self._pod.grace_seconds if probe.grace_seconds is None else probe.grace_seconds)

    async def _end_on_request(self, child: ChildProcess) -> None:
        await self._ending.wait()
        logger.info("pod %s is told to end", self._pod.metadata.key)
        child.terminate()
        while (left := self._kill_at - self._clock.boot()) > 0:
            await self._clock.sleep(min(left, _RETRY_SECONDS))
        await child.kill()

    async def _report_until_over(self, child: ChildProcess) -> None:
        async def ended() -> None:
            code = await child.wait()
            # As the end of a container's first process ends them all.
            await child.stop(0)
            logger.info("pod %s ended with exit code %d", self._pod.metadata.key, code)
            self._over(code)

        async def report() -> None:
            while not self._facts.over:
                self._changed.clear()
                await self._write_status()
                if not self._facts.over:
                    await self._changed.wait()

        async with asyncio.TaskGroup() as group:
            group.create_task(ended())
            group.create_task(report())

    def _set_ready(self, ready: bool) -> None:
        self._learn(replace(self._facts, ready=ready, ready_since=self._clock.wall()))

    def _over(self, exit_code: int | None, reason: str = "", problem: str = "") -> None:
        now = self._clock.wall()
        since = now if self._facts.ready else self._facts.ready_since
        self._learn(
            replace(
                self._facts,
                ready=False,
                ready_since=since,
                exit_code=exit_code,
                ended_at=now,
                reason=reason,
                problem=problem,
            )
        )

    def _learn(self, facts: Facts) -> None:
        self._facts = facts
        self._changed.set()
        self._on_news()

    async def _write_status(self) -> None:
        known_gone = self._record.gone
        await self._record.write_status(lambda: status_of(self._pod, self._facts, LOOPBACK))
        if self._record.gone and not known_gone:
            self.removed()


async def _beside(work: Coroutine[Any, Any, None], watchers: list[Coroutine[Any, Any, None]]) -> None:
    """Run `work` to its end with `watchers` beside it; they are cancelled with it."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watcher) for watcher in watchers]
        try:
            await work
        finally:
            for task in tasks:  # the group waits for them; waiting here would swallow a cancellation from outside
                task.cancel()
