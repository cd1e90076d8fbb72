"""A runtime pod's token in the wrong hands: what it can do to its neighbours under the policies, on a real server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.contract.door import pod, real_transport, session, unique
from tests.stack.fleet import RUNTIME_ACCOUNT
from tests.stack.policies import IN_FORCE_SECONDS, put_under_policies
from tests.stack.programs import API_ACCOUNT, OPERATOR_ACCOUNT, install_accounts

from greenroom_core.clock import SystemClock
from greenroom_core.kube.client import KubeClient
from greenroom_core.kube.errors import Denied, KubeError
from greenroom_core.kube.kinds import PODS, RUNTIMES, SESSIONS
from greenroom_core.kube.patches import annotation_patch
from greenroom_core.model import names
from greenroom_core.world import World
from greenroom_local.control_plane import BoundPod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession
    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

NAMESPACE = "neighbours"


class Scene:
    """Two runtime pods with tokens of their own, and everybody else who may speak to the API server."""

    def __init__(self, plane: ControlPlane, stack: AsyncExitStack) -> None:
        self.plane = plane
        self._stack = stack
        self.pods: list[Pod] = []

    async def open(self) -> None:
        await self.plane.ensure_namespace(NAMESPACE)
        await install_accounts(self.plane, NAMESPACE)
        self.admin = await self.client(None)
        self.operator = await self.client(await self.plane.token(NAMESPACE, OPERATOR_ACCOUNT))
        self.api = await self.client(await self.plane.token(NAMESPACE, API_ACCOUNT))
        self.loose = await self.client(await self.plane.token(NAMESPACE, RUNTIME_ACCOUNT))
        self.ours, self.theirs = await self.runtime_pod(), await self.runtime_pod()
        await put_under_policies(self.plane, NAMESPACE)
        await self._creation_judged()

    async def client(self, token: str | None) -> KubeClient:
        transport = await self._stack.enter_async_context(real_transport(self.plane, token))
        return KubeClient(World(SystemClock(), Random(1), transport))

    async def runtime_pod(self, name: str = "") -> KubeClient:
        """A pod of the fleet, and a client with its token."""
        made = await self.admin.create(PODS, NAMESPACE, pod(name or unique("pod"), node="node-1") | {"spec": SPEC})
        self.pods.append(made)
        bound = BoundPod(made.metadata.name, made.metadata.uid)
        return await self.client(await self.plane.token(NAMESPACE, RUNTIME_ACCOUNT, bound_pod=bound))

    async def session(self, holder: Pod | None = None) -> AgentSession:
        """One that `holder` holds, or nobody yet."""
        made = await self.api.create(SESSIONS, NAMESPACE, session(unique("s")))
        return made if holder is None else await self.bind(made, holder)

    async def bind(self, made: AgentSession, holder: Pod) -> AgentSession:
        status = {
            "phase": "Scheduled",
            "podName": holder.metadata.name,
            "podUID": holder.metadata.uid,
            "attempt": 1,
            "epoch": 3,
            "revision": "r1",
            "scheduledAt": "2030-01-01T00:00:00Z",
            "effective": {"limits": {"idleTimeoutSeconds": 60}},
        }
        return await self.write(self.operator, made, **status)

    async def write(self, client: KubeClient, to: AgentSession, **status: Any) -> AgentSession:
        patch = {"status": status}
        return await client.merge_patch(SESSIONS, NAMESPACE, to.metadata.name, patch, subresource="status")

    async def denied(self, client: KubeClient, to: AgentSession, **status: Any) -> str:
        with pytest.raises(Denied) as refusal:
            await self.write(client, to, **status)
        assert refusal.value.status == 403
        return str(refusal.value)

    async def own_start(self, client: KubeClient, mine: Pod) -> AgentSession:
        """As a launcher makes it for the pod that it runs in."""
        meta = mine.metadata
        body = session(unique("s"), spec={"podName": meta.name})
        body["metadata"]["labels"] = {names.STARTED_BY: meta.uid}
        return await client.create(SESSIONS, NAMESPACE, body)

    async def _creation_judged(self) -> None:
        async with asyncio.timeout(IN_FORCE_SECONDS):
            while True:
                try:
                    await self.theirs.create(SESSIONS, NAMESPACE, session(unique("s")))
                except Denied:
                    return
                await asyncio.sleep(0.1)


SPEC = {
    "serviceAccountName": RUNTIME_ACCOUNT,
    "nodeName": "node-1",
    "containers": [{"name": "agent", "image": "agent"}],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(control_plane: ControlPlane, installed_crds: None) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        scene = Scene(control_plane, stack)
        await scene.open()
        yield scene


async def test_the_pod_that_holds_a_session_writes_its_state(scene: Scene) -> None:
    held = await scene.session(scene.pods[0])
    running = await scene.write(scene.ours, held, phase="Running", startedAt="2030-01-01T00:00:01Z")
    assert running.status.phase == "Running"
    ended = await scene.write(scene.ours, held, phase="Closed", reason="Finished", endedAt="2030-01-01T00:00:02Z")
    assert ended.ended


async def test_nobody_else_does(scene: Scene) -> None:
    held = await scene.session(scene.pods[0])
    for who, client in (
        ("a neighbour", scene.theirs),
        ("a token that is bound to no pod", scene.loose),
        ("an administrator", scene.admin),
    ):
        for status in ({"phase": "Closed", "reason": "Finished"}, {"answer": "sdp"}, {"message": "hello"}):
            assert "only the pod that holds a session" in await scene.denied(client, held, **status), who
    with pytest.raises(Denied):
        await scene.write(scene.api, held, phase="Closed")
    kept = await scene.admin.get(SESSIONS, NAMESPACE, held.metadata.name)
    assert kept.metadata.resource_version == held.metadata.resource_version


async def test_what_the_operator_decides_stays_as_it_is(scene: Scene) -> None:
    held = await scene.session(scene.pods[0])
    other = scene.pods[1].metadata
    for change in (
        {"podName": other.name, "podUID": other.uid},
        {"podUID": other.uid},
        {"podName": other.name},
        {"podName": None},
        {"podUID": None},
        {"podName": None, "podUID": None},
        {"podName": None, "podUID": None, "phase": "Closed"},
        {"attempt": 7},
        {"epoch": 99},
        {"revision": "r2"},
        {"scheduledAt": "2031-01-01T00:00:00Z"},
        {"effective": {"limits": {"maxDurationSeconds": 100_000}}},
        {"effective": None},
    ):
        await scene.denied(scene.ours, held, **change)
    await scene.denied(scene.ours, held, podName=None, podUID=None, phase="Pending", attempt=0)


async def test_a_pod_gives_a_session_back_and_is_done_with_it(scene: Scene) -> None:
    held = await scene.session(scene.pods[0])
    back = await scene.write(scene.ours, held, podName=None, podUID=None, phase="Pending")
    assert not back.bound
    await scene.denied(scene.ours, held, message="still here")
    mine = scene.pods[0].metadata
    await scene.denied(scene.ours, held, podName=mine.name, podUID=mine.uid, phase="Scheduled")
    again = await scene.bind(back, scene.pods[1])
    assert again.status.pod_uid == scene.pods[1].metadata.uid
    await scene.denied(scene.ours, again, phase="Running")


async def test_a_pod_of_the_same_name_is_another_pod(scene: Scene) -> None:
    name = unique("twin")
    await scene.runtime_pod(name)
    first = scene.pods[-1]
    held = await scene.session(first)
    await scene.admin.delete(PODS, NAMESPACE, name, uid=first.metadata.uid, grace_period_seconds=0)
    twin = await scene.runtime_pod(name)
    await scene.denied(twin, held, phase="Closed", reason="Finished")


async def test_a_pod_makes_sessions_for_itself_alone(scene: Scene) -> None:
    mine, other = scene.pods[0].metadata.name, scene.pods[1].metadata.name
    for spec in ({}, {"podName": other}, {"podName": f"{mine}-1"}):
        with pytest.raises(KubeError) as refusal:
            await scene.ours.create(SESSIONS, NAMESPACE, session(unique("s"), spec=spec))
        assert "spec.podName" in str(refusal.value)
    for label in ({}, {names.STARTED_BY: scene.pods[1].metadata.uid}):
        body = session(unique("s"), spec={"podName": mine})
        body["metadata"]["labels"] = label
        with pytest.raises(Denied, match=r"greenroom\.dev/started-by must be its own uid"):
            await scene.ours.create(SESSIONS, NAMESPACE, body)
    made = await scene.own_start(scene.ours, scene.pods[0])
    assert made.spec.pod_name == mine


END = {"phase": "Closed", "reason": "CloseRequested", "message": "withdrawn", "endedAt": "2030-01-01T00:00:02Z"}


async def test_a_pod_takes_back_what_it_has_started_while_nobody_holds_it(scene: Scene) -> None:
    ours, mine = scene.ours, scene.pods[0].metadata
    made = await scene.own_start(ours, scene.pods[0])
    waiting = await scene.session()
    await scene.denied(scene.theirs, made, **END)
    await scene.denied(scene.ours, waiting, **END)
    for status in (
        {"message": "hello"},
        {"phase": "Running"},
        {"podName": mine.name, "podUID": mine.uid, "phase": "Scheduled", "attempt": 1},
        END | {"podName": mine.name, "podUID": mine.uid},
        END | {"attempt": 3},
        END | {"reason": "Finished"},
        END | {"phase": "Failed"},
    ):
        await scene.denied(ours, made, **status)
    assert (await scene.write(ours, made, **END)).ended
    await scene.denied(ours, made, **END | {"message": "again"})
    elsewhere = await scene.bind(await scene.own_start(ours, scene.pods[0]), scene.pods[1])
    await scene.denied(ours, elsewhere, **END)


async def test_a_pod_changes_no_session_but_its_status(scene: Scene) -> None:
    """Its Role has neither patch nor delete of sessions: not of its own either."""
    held, waiting = await scene.session(scene.pods[0]), await scene.session()
    for target in (held, waiting, await scene.own_start(scene.ours, scene.pods[0])):
        name = target.metadata.name
        for client in (scene.ours, scene.theirs):
            for patch in (
                annotation_patch({names.CLOSE_REQUESTED: "now"}),
                {"metadata": {"finalizers": []}},
                {"metadata": {"labels": {"team": "red"}}},
                {"metadata": {"ownerReferences": []}, "status": {"phase": "Closed"}},
            ):
                with pytest.raises(Denied, match="cannot patch resource"):
                    await client.merge_patch(SESSIONS, NAMESPACE, name, patch)
            with pytest.raises(Denied, match="cannot delete resource"):
                await client.delete(SESSIONS, NAMESPACE, name)


async def test_a_pod_reaches_nothing_else(scene: Scene) -> None:
    for asking in (
        scene.ours.create(PODS, NAMESPACE, pod("mine")),
        scene.ours.delete(PODS, NAMESPACE, scene.pods[1].metadata.name),
        scene.ours.merge_patch(RUNTIMES, NAMESPACE, "default", {"spec": {"replicas": 0}}),
        scene.ours.get(RUNTIMES, NAMESPACE, "default"),
        scene.ours.create(SESSIONS, "default", session("elsewhere", spec={"podName": scene.pods[0].metadata.name})),
        scene.ours.get(SESSIONS, "kube-system", "any"),
    ):
        with pytest.raises(Denied):
            await asking


async def test_people_and_programs_that_are_no_runtime_pods_are_not_narrowed(scene: Scene) -> None:
    made = await scene.session()
    closing = annotation_patch({names.CLOSE_REQUESTED: "now"})
    assert (await scene.admin.merge_patch(SESSIONS, NAMESPACE, made.metadata.name, closing)).close_requested
    other = await scene.session()
    assert (await scene.api.merge_patch(SESSIONS, NAMESPACE, other.metadata.name, closing)).close_requested
    ended = await scene.write(scene.operator, other, phase="Closed", reason="CloseRequested")
    assert ended.ended
