"""All three programs in one process on virtual time, against the API server in memory.

The node that pods run on is played here: it makes each Pod of the operator a running `RuntimePod`. A test that cares
makes Node objects; pods come to those that are not cordoned.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from tests.fakes.apiserver import FakeApiServer, FakeTransport, Faults
from tests.fakes.operator_shell import operator_in_shell
from tests.unit.runtime.agents import AgentFile

from greenroom.hosts.pod import PodHost
from greenroom.launcher import AgentLauncher
from greenroom.runtime.pod import RuntimePod
from greenroom.runtime.settings import RuntimeSettings
from greenroom_api.cluster import ClusterBackend
from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.errors import Conflict, NotFound
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import PODS, RUNTIMES, SESSIONS, loose
from greenroom_core.kube.patches import annotation_patch
from greenroom_core.model import names
from greenroom_core.settings import load
from greenroom_core.world import World
from greenroom_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.program import Operator

NAMESPACE = "default"
STEP_SECONDS = 0.01


class Stage:
    """`agents` is the agent file that every runtime pod runs, with `launcher_options`; `launchers` are the pods' by
    name, for what code in a pod does."""

    def __init__(self) -> None:
        self.server = FakeApiServer()
        self.clock = self.server.clock
        self.agents = AgentFile(self.clock)
        # The test and the node have the patience for any outage that a test makes.
        self.client = KubeClient(self.world("test", node=True), deadline_seconds=600)
        self.pods: dict[str, RuntimePod] = {}
        self.launchers: dict[str, AgentLauncher] = {}
        self.launcher_options: dict[str, Any] = {}
        self.pod_faults: Faults | None = None
        self.node_refuses = ""
        """An image that the node cannot start."""
        self.built_unbuildable = 0
        self.failing_image = ""
        """An image whose agents cannot be built."""
        self.transports: list[FakeTransport] = []
        self._seeds = Random(11)
        self._tasks: list[asyncio.Task[Any]] = []
        self._node = KubeClient(self.world("node", node=True), deadline_seconds=600)
        self._pods: Feed[Pod] = Feed(self._node, PODS, Selection(), self._pod_changed)
        self._lives: dict[str, asyncio.Task[None]] = {}

    def world(self, user: str, *, node: bool = False) -> World:
        """A program's surroundings; `transports` holds those of all programs but the node and the test."""
        transport = self.server.transport(user)
        if not node:
            self.transports.append(transport)
        return World(self.clock, Random(user), transport)

    def start(self, work: Any, name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        return task

    def start_node(self) -> None:
        self.start(self._pods.run(), "node")

    def start_operator(self, identity: str = "operator", **settings: Any) -> tuple[Operator, asyncio.Task[Any]]:
        world = self.world(identity)
        operator, run = operator_in_shell(world, Settings(**{"namespace": NAMESPACE, **settings}), identity)
        return operator, self.start(run(), identity)

    @asynccontextmanager
    async def api(self, namespace: str = NAMESPACE) -> AsyncIterator[ClusterBackend]:
        async with ClusterBackend(self.world("api"), namespace) as backend:
            await self.when(lambda: backend.ready)
            yield backend

    async def create_runtime(self, name: str = "default", **spec: Any) -> None:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "AgentRuntime",
            "metadata": {"name": name},
            "spec": {
                "template": {"spec": {"containers": [{"name": "agent", "image": "agent"}]}},
                "replicas": 1,
                **spec,
            },
        }
        await self.client.create(RUNTIMES, NAMESPACE, body)

    async def create_session(self, name: str, *, call: str = "c1", **spec: Any) -> AgentSession:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "AgentSession",
            "metadata": {"name": name},
            "spec": {"callId": call, **spec},
        }
        return await self.client.create(SESSIONS, NAMESPACE, body)

    async def get(self, name: str) -> AgentSession:
        return await self.client.get(SESSIONS, NAMESPACE, name)

    async def close(self, name: str) -> None:
        patch = annotation_patch({names.CLOSE_REQUESTED: "now"})
        await self.client.merge_patch(SESSIONS, NAMESPACE, name, patch)

    def check(self) -> None:
        """A program that has failed fails the test."""
        for task in [*self._tasks, *self._lives.values()]:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def until(self, name: str, holds: Callable[[AgentSession], bool], seconds: float = 300.0) -> AgentSession:
        async with self.clock.timeout(seconds):
            while not holds(session := await self.get(name)):
                self.check()
                await self.clock.sleep(STEP_SECONDS)
        return session

    async def gone(self, name: str, seconds: float = 300.0) -> None:
        async with self.clock.timeout(seconds):
            while True:
                try:
                    await self.get(name)
                except NotFound:
                    return
                await self.clock.sleep(STEP_SECONDS)

    async def when(self, holds: Callable[[], bool], seconds: float = 300.0) -> None:
        async with self.clock.timeout(seconds):
            while not holds():
                self.check()
                await self.clock.sleep(STEP_SECONDS)

    async def kill_pod(self, name: str) -> None:
        """The process dies; its node says so."""
        pod = next(pod for pod in self._pods.store if pod.metadata.name == name)
        self._lives[pod.metadata.uid].cancel()
        await self._show(pod, phase="Failed", ready=False)

    async def finish(self) -> None:
        for task in [*self._tasks, *self._lives.values()]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._lives.values(), return_exceptions=True)

    def _pod_changed(self, change: Change[Pod]) -> None:
        pod = change.new
        if pod is None:
            return
        if pod.spec.containers[0].get("image") == self.node_refuses:
            if pod.leaving:
                self.start(self._forget(pod), f"{pod.metadata.name}-gone")
            return
        if pod.metadata.uid not in self._lives:
            self._lives[pod.metadata.uid] = asyncio.create_task(self._live(pod), name=pod.metadata.name)
        elif pod.leaving and (runtime := self.pods.get(pod.metadata.name)) is not None:
            runtime.drain()

    async def _live(self, pod: Pod) -> None:
        meta = pod.metadata
        target = {"target": {"apiVersion": "v1", "kind": "Node", "name": await self._schedule()}}
        if self._pods.store.get(meta.uid) is None:
            return  # deleted before a node could take it
        binding = {"metadata": {"name": meta.name}, **target}
        await self._node.create(loose("/api/v1", "pods"), meta.namespace, binding, f"{meta.name}/binding")
        failing = pod.spec.containers[0].get("image") == self.failing_image
        launcher = AgentLauncher(
            self._unbuildable if failing else self.agents.create_agent,
            self.agents.join_call,
            clock=self.clock,
            **self.launcher_options,
        )
        told = {item["name"]: item["value"] for item in pod.spec.containers[0].get("env", ()) if "value" in item}
        fields = {"NAMESPACE": meta.namespace, "POD_NAME": meta.name, "POD_UID": meta.uid}
        environment = told | {f"GREENROOM_{name}": value for name, value in fields.items()}
        settings = replace(load(RuntimeSettings, "runtime", (), environment), drain_timeout_seconds=60.0)
        world = self.world(meta.name)
        if self.pod_faults is not None:
            self.transports[-1].faults = self.pod_faults
        runtime = RuntimePod(world, launcher, settings)
        self.pods[meta.name] = runtime
        host = PodHost(launcher.lives, lambda: nullcontext(runtime))
        launcher.host = host
        self.launchers[meta.name] = launcher
        life = asyncio.create_task(host.run())
        try:
            await self.when(lambda: runtime.ready or life.done())
            if not life.done():  # it may have been told to leave before it was ready
                await self._show(pod, phase="Running", ready=True)
            await life
            await self._forget(pod)
        finally:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)

    async def _schedule(self) -> str:
        """The first node that is not cordoned, as soon as there is one; "node" where the test has made none."""
        while nodes := self.server.objects("nodes"):
            for node in nodes:
                if not node.get("spec", {}).get("unschedulable"):
                    return str(node["metadata"]["name"])
            await self.clock.sleep(STEP_SECONDS)
        return "node"

    async def _unbuildable(self, **_: Any) -> Any:
        """Warms up well and fails in every session, as a wrong key does."""
        self.built_unbuildable += 1
        if self.built_unbuildable == 1:
            return await self.agents.create_agent()
        raise RuntimeError("no model of that name")

    async def _forget(self, pod: Pod) -> None:
        """Its process has ended; somebody may have removed it by force before."""
        meta = pod.metadata
        with suppress(NotFound):
            await self._node.delete(PODS, meta.namespace, meta.name, uid=meta.uid, grace_period_seconds=0)

    async def _show(self, pod: Pod, *, phase: str, ready: bool) -> None:
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": self.clock.wall().isoformat(),
        }
        status = {"phase": phase, "podIP": "10.0.0.1", "conditions": [condition]}
        try:
            meta = pod.metadata
            await self._node.merge_patch(PODS, meta.namespace, meta.name, {"status": status}, subresource="status")
        except (NotFound, Conflict) as error:
            raise AssertionError(f"the node lost pod {pod.metadata.name}") from error


@asynccontextmanager
async def stage(*, node: bool = True) -> AsyncIterator[Stage]:
    """A stage with its node; operators and the rest are the test's to start."""
    here = Stage()
    if node:
        here.start_node()
    try:
        yield here
    finally:
        await here.finish()
