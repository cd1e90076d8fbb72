"""`helm test` and `helm upgrade` on a release that works: what the test asks holds, and a call goes on."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.unit.chart.rendering import Body, Helm, environment, of_kind

from greenroom_local.node import ProcessNode

from .release import Release
from .test_working import VALUES, caller_token, is_ready, pods, read_session, runtime_is_there

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from greenroom_local.control_plane import ControlPlane

KEPT = ("phase", "podUID", "podName", "attempt", "startedAt")


async def test_a_call_goes_on_through_an_upgrade_of_everything(
    helm: Helm, cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    release = Release(helm, cluster, namespace)
    await release.install(VALUES)
    (tmp_path / "key").write_text("k" * 32)
    async with ProcessNode(cluster, namespace, tmp_path / "node") as node, asyncio.timeout(240):
        await bring(node, cluster, pods(release, tmp_path / "key"))
        await runtime_is_there(release)
        caller = {"Authorization": f"Bearer {await caller_token(cluster, namespace)}"}
        async with aiohttp.ClientSession(headers=caller) as client:
            calls = f"http://127.0.0.1:{node.port('api')}/calls"
            started = await start(client, f"{calls}/goes-on/sessions")
            before = await read_session(release, started["session_id"])
            # Operator, API and the runtime's pods: all of them anew.
            values: Body = {
                **VALUES,
                "operator": {"logLevel": "DEBUG"},
                "api": {"replicas": 3},
                "demo": {**VALUES["demo"], "env": [{"name": "VOICE", "value": "calm"}]},
            }
            await release.upgrade(values)
            for name in ("api", "operator"):
                await end(node, cluster, namespace, name)
            await bring(node, cluster, pods(release, tmp_path / "key", values))
            calls = f"http://127.0.0.1:{node.port('api')}/calls"
            fresh = await start(client, f"{calls}/another/sessions")
            now = await read_session(release, started["session_id"])
            assert {key: now["status"][key] for key in KEPT} == {key: before["status"][key] for key in KEPT}
            assert now["status"]["phase"] == "Running"
            newer = await read_session(release, fresh["session_id"])
            assert newer["status"]["revision"] != now["status"]["revision"]
            async with client.delete(f"{calls}/goes-on/sessions/{started['session_id']}") as answer:
                assert answer.status == 202, await answer.text()
        await until(lambda: has_ended(release, started["session_id"], "CloseRequested"))


async def test_what_helm_test_runs_finds_that_it_works(
    helm: Helm, cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    release = Release(helm, cluster, namespace)
    await release.install(VALUES)
    (tmp_path / "key").write_text("k" * 32)
    hooks = helm.hooks(VALUES, "test", namespace=namespace)
    [pod] = of_kind(hooks, "Pod").values()
    for body in hooks:
        if body is not pod:
            await cluster.admin.create(await release.objects.collection(body), body)
    async with ProcessNode(cluster, namespace, tmp_path / "node") as node, asyncio.timeout(480):
        await bring(node, cluster, pods(release, tmp_path / "key"))
        await runtime_is_there(release)
        # A process here knows no Service's name and no mounted token; the rest is the pod's own.
        (tmp_path / "token").write_text(await cluster.token(namespace, pod["spec"]["serviceAccountName"]))
        here = {
            "GREENROOM_URL": f"http://127.0.0.1:{node.port('api')}",
            "GREENROOM_TOKEN_FILE": str(tmp_path / "token"),
        }
        container = pod["spec"]["containers"][0]
        assert here.keys() <= environment(container).keys()
        status, log = await run(container["command"], {**environment(container), **here})
        assert status == 0, log
        assert "it works" in log
        sessions = await cluster.admin.request("GET", sessions_of(namespace))
        assert sessions["items"] == [], "it leaves none behind"
        await cluster.admin.request("DELETE", f"{role_bindings(namespace)}/{pod['metadata']['name']}")
        # A check that lost its rights half-way takes its own time limit to say so; the next one is refused at once.
        await until(lambda: refused(container["command"], {**environment(container), **here}), 240)


async def refused(command: list[str], variables: dict[str, str]) -> bool:
    """Without its Role the check fails, and says at what. The API keeps what it was told of a caller for seconds."""
    status, log = await run(command, variables)
    return status == 1 and "expected 201, got 403" in log


def sessions_of(namespace: str) -> str:
    return f"/apis/greenroom.dev/v1alpha1/namespaces/{namespace}/agentsessions"


def role_bindings(namespace: str) -> str:
    return f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"


async def bring(node: ProcessNode, cluster: ControlPlane, bodies: list[Body]) -> None:
    for pod in bodies:
        await cluster.admin.request("POST", f"/api/v1/namespaces/{node.namespace}/pods", pod)
    for pod in bodies:
        await node.until(pod["metadata"]["name"], is_ready)


async def end(node: ProcessNode, cluster: ControlPlane, namespace: str, pod: str) -> None:
    await cluster.admin.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{pod}")
    await node.until(pod, lambda facts: facts is None)


async def start(client: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with client.post(url, json={}) as answer:
        assert answer.status == 201, await answer.text()
        started: dict[str, Any] = await answer.json()
        return started


async def has_ended(release: Release, name: str, reason: str) -> bool:
    status = (await read_session(release, name))["status"]
    return bool(status["phase"] == "Closed" and status["reason"] == reason)


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


async def run(command: list[str], variables: dict[str, str]) -> tuple[int, str]:
    """Exit status and output of a container's command, as a process."""
    program, *words = command
    assert program == "greenroom"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "greenroom_core.cli", *words),
        env={"PATH": os.environ["PATH"], **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(200):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
