"""A release that works: operator, API and runtime run as the chart has them, under the chart's accounts alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from tests.unit.chart.rendering import CHART, Body, Helm, pod_templates

from greenroom_local.node import ProcessNode

from .release import Release

if TYPE_CHECKING:
    from pathlib import Path

    from greenroom_local.control_plane import ControlPlane
    from greenroom_local.node.status import Facts

AGENT = CHART.parents[1] / "examples" / "voice_agent.py"
VALUES: Body = {"demo": {"sessionsPerPod": 1, "command": ["python", str(AGENT), "runtime"]}}


async def test_the_first_curl_of_the_notes_starts_a_session(
    helm: Helm, cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    release = Release(helm, cluster, namespace)
    await release.install(VALUES)
    async with ProcessNode(cluster, namespace, tmp_path / "node") as node, asyncio.timeout(180):
        (tmp_path / "key").write_text("k" * 32)
        for pod in pods(release, tmp_path / "key"):
            await cluster.admin.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
        for pod in pods(release, tmp_path / "key"):
            await node.until(pod["metadata"]["name"], is_ready)
        await runtime_is_there(release)
        calls = f"http://127.0.0.1:{node.port('api')}/calls/first-call/sessions"
        async with aiohttp.ClientSession() as session, session.post(calls, json={}) as response:
            assert response.status == 401, await response.text()
        caller = {"Authorization": f"Bearer {await caller_token(cluster, namespace)}"}
        async with aiohttp.ClientSession(headers=caller) as session, session.post(calls, json={}) as response:
            assert response.status == 201, await response.text()
            started = await response.json()
        stored = await read_session(release, started["session_id"])
        assert stored["status"]["phase"] == "Running"
        async with (
            aiohttp.ClientSession(headers=caller) as session,
            session.delete(f"{calls}/{started['session_id']}") as response,
        ):
            assert response.status == 202, await response.text()
        while (stored := await read_session(release, started["session_id"]))["status"]["phase"] != "Closed":
            await asyncio.sleep(0.05)
        assert stored["status"]["reason"] == "CloseRequested"
    for log in node.logs.iterdir():
        # Whatever a program tries and may not do, it logs with the API server's word for it.
        assert "forbidden" not in log.read_text().lower(), log.name
    assert len(list(node.logs.iterdir())) == 3


async def caller_token(cluster: ControlPlane, namespace: str) -> str:
    """The notes' caller; nobody here gathers the chart's role into `edit`, so it is bound by itself."""
    meta = {"name": "caller"}
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    await cluster.admin.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": meta})
    for role in ("view", "edit"):
        reference = {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": f"{namespace}-greenroom-user-{role}",
        }
        subject = {"kind": "ServiceAccount", "namespace": namespace, **meta}
        await cluster.admin.create(rbac, {"metadata": {"name": role}, "subjects": [subject], "roleRef": reference})
    return await cluster.token(namespace, "caller")


def pods(release: Release, key: Path, values: Body = VALUES) -> list[Body]:
    """One pod of each Deployment, as its controller would make it, but for what a process here cannot have: a port of
    its own, and the Secret that is mounted, for which `key` stands in."""
    made = []
    for name, template in pod_templates(release.rendered(values)):
        if name.startswith("Deployment"):
            container = template["spec"]["containers"][0]
            # All pods share this machine's network, so the node gives each its port.
            container["env"] = [variable for variable in container["env"] if variable["name"] != "GREENROOM_PORT"]
            for variable in container["env"]:
                if variable["name"] == "GREENROOM_CLOSE_TOKEN_KEY_FILE":
                    variable["value"] = str(key)
            metadata = {**template["metadata"], "name": container["name"]}
            made.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
    return made


async def runtime_is_there(release: Release) -> None:
    runtime = {
        "apiVersion": "greenroom.dev/v1alpha1",
        "kind": "AgentRuntime",
        "metadata": {"name": "default", "namespace": release.namespace},
    }
    while (status := (await release.read(runtime)).get("status", {})).get("readyPods") != 1:
        refused = [c for c in status.get("conditions", ()) if c["reason"] == "TemplateInvalid"]
        if refused:
            pytest.fail(str(refused))
        await asyncio.sleep(0.1)


async def read_session(release: Release, name: str) -> dict[str, Any]:
    return await release.read(
        {
            "apiVersion": "greenroom.dev/v1alpha1",
            "kind": "AgentSession",
            "metadata": {"name": name, "namespace": release.namespace},
        }
    )


def is_ready(facts: Facts | None) -> bool:
    return facts is not None and (facts.ready or facts.over)
