"""One operator for the whole cluster and two tenants' namespaces, on a control plane of their own, under the chart's
accounts alone."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from tests.crds import install
from tests.stack.programs import install_accounts
from tests.unit.chart.rendering import CHART, Body, Helm, Refused

from greenroom_core.model import roles
from greenroom_local.admin import AdminError
from greenroom_local.binaries import find_binaries
from greenroom_local.control_plane import ControlPlane
from greenroom_local.node import ProcessNode

from .release import Release
from .test_working import AGENT, is_ready, pods, runtime_is_there

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

SYSTEM, TENANTS = "greenroom-system", ("tenant-a", "tenant-b")
OPERATOR: Body = {"scope": "cluster", "api": {"enabled": False}, "demo": {"enabled": False}}
INSTALL = ("upgrade", "--install", "greenroom", str(CHART))
# The API asks nobody: who its callers are is tried elsewhere.
TENANT: Body = {
    "operator": {"enabled": False},
    "api": {"auth": {"mode": "none"}},
    "demo": {
        "sessionsPerPod": 2,
        "limits": {"maxSessionsPerCall": 1},
        "command": ["python", str(AGENT), "runtime"],
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    async with ControlPlane(find_binaries(), tmp_path_factory.mktemp("whole"), unsafe_no_fsync=True) as plane:
        for path in sorted((CHART / "crds").glob("*.yaml")):
            await install(plane.admin, yaml.safe_load(path.read_text()))
        for name in (SYSTEM, *TENANTS, "early"):
            await plane.ensure_namespace(name)
        yield plane


async def test_a_second_operator_for_a_namespace_is_refused_whichever_comes_first(
    helm: Helm, whole: ControlPlane
) -> None:
    early, system = Release(helm, whole, "early"), Release(helm, whole, SYSTEM)
    await early.install({"demo": {"enabled": False}})
    with pytest.raises(Refused, match="release greenroom of namespace early has an operator for namespace early"):
        await system.install(OPERATOR)
    with pytest.raises(Refused, match="a namespace can have one"):
        await early.helm("install", "second", str(CHART), values={"demo": {"enabled": False}})
    await early.upgrade({"demo": {"enabled": False}})  # itself it does not stand in the way
    await early.helm("uninstall", "greenroom", "--no-hooks")
    await system.install(OPERATOR)
    await system.upgrade(OPERATOR)
    with pytest.raises(Refused, match="an operator looks after the whole cluster, release greenroom"):
        await early.install({"demo": {"enabled": False}})
    with pytest.raises(Refused, match="release greenroom of namespace greenroom-system has an operator"):
        await early.install(OPERATOR)


async def test_one_operator_serves_two_tenants_and_keeps_them_apart(
    helm: Helm, whole: ControlPlane, tmp_path: Path
) -> None:
    async with running(helm, whole, tmp_path) as nodes, asyncio.timeout(180):
        async with aiohttp.ClientSession() as session:
            started = {tenant: await start(session, nodes[tenant]) for tenant in TENANTS}
            for tenant in TENANTS:
                stored = await whole.admin.request("GET", session_path(tenant, started[tenant]["session_id"]))
                assert stored["status"]["phase"] == "Running"
                assert nodes[tenant].facts(stored["status"]["podName"]) is not None, "its own namespace's pod"
                async with session.post(calls(nodes[tenant]), json={}) as refused:
                    assert refused.status == 429, "the limit holds in each"
                async with session.get(f"{calls(nodes[tenant])}/{started[other(tenant)]['session_id']}") as strange:
                    assert strange.status == 404
            async with session.get(f"http://127.0.0.1:{nodes[SYSTEM].port('operator')}/metrics") as page:
                figures = await page.text()
        for tenant in TENANTS:
            assert f'greenroom_fleet_sessions{{namespace="{tenant}",runtime="default"}} 1.0' in figures
        leases = await whole.admin.request("GET", "/apis/coordination.k8s.io/v1/leases")
        assert {
            (item["metadata"]["namespace"], item["metadata"]["name"])
            for item in leases["items"]
            if item["metadata"]["name"].startswith("greenroom")
        } == {(SYSTEM, "greenroom-operator")}
        await nobody_else_writes_status(whole, started)
        await everything_goes(whole, tmp_path)
        for node in nodes.values():
            for log in node.logs.iterdir():
                text = log.read_text()
                assert "forbidden" not in text.lower(), log.name
                assert "Traceback" not in text, log.name


@asynccontextmanager
async def running(helm: Helm, plane: ControlPlane, folder: Path) -> AsyncIterator[dict[str, ProcessNode]]:
    """A node for each namespace, the operator and both APIs on them, ready, and one runtime pod for each tenant."""
    async with AsyncExitStack() as opened:
        for namespace in (SYSTEM, *TENANTS):
            await Release(helm, plane, namespace).helm(*INSTALL, values=OPERATOR if namespace == SYSTEM else TENANT)
        nodes = {}
        for namespace in (SYSTEM, *TENANTS):
            nodes[namespace] = await opened.enter_async_context(ProcessNode(plane, namespace, folder / namespace))
            release = Release(helm, plane, namespace)
            for pod in pods(release, folder / "none", OPERATOR if namespace == SYSTEM else TENANT):
                await plane.admin.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
        for namespace, program in ((SYSTEM, "operator"), *((tenant, "api") for tenant in TENANTS)):
            await nodes[namespace].until(program, is_ready)
        for tenant in TENANTS:
            await runtime_is_there(Release(helm, plane, tenant))
        yield nodes


def other(tenant: str) -> str:
    return next(name for name in TENANTS if name != tenant)


def calls(node: ProcessNode) -> str:
    return f"http://127.0.0.1:{node.port('api')}/calls/same-call/sessions"


def session_path(tenant: str, name: str) -> str:
    return f"/apis/greenroom.dev/v1alpha1/namespaces/{tenant}/agentsessions/{name}"


async def start(session: aiohttp.ClientSession, node: ProcessNode) -> Any:
    async with session.post(calls(node), json={}) as answer:
        assert answer.status == 201, await answer.text()
        return await answer.json()


async def nobody_else_writes_status(plane: ControlPlane, started: dict[str, Any]) -> None:
    """The policies are in force in the namespaces of both, the administrator not excepted."""
    patch = {"status": {"message": "hello"}}
    for tenant in TENANTS:
        path = session_path(tenant, started[tenant]["session_id"]) + "/status"
        with pytest.raises(AdminError, match="only the pod that holds a session"):
            await plane.admin.request("PATCH", path, patch, "application/merge-patch+json")


async def everything_goes(plane: ControlPlane, folder: Path) -> None:
    """`greenroom uninstall` of an operator for the whole cluster, under its own ClusterRole."""
    account = "seeing-out"
    await install_accounts(plane, SYSTEM, {account: roles.UNINSTALL})
    subject = {"kind": "ServiceAccount", "name": account, "namespace": SYSTEM}
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": account}
    meta = {"name": account}
    await plane.admin.create(f"{rbac}/clusterroles", {"metadata": meta, "rules": list(roles.UNINSTALL)})
    await plane.admin.create(
        f"{rbac}/clusterrolebindings", {"metadata": meta, "subjects": [subject], "roleRef": reference}
    )
    identity = folder / "identity"
    identity.mkdir()
    (identity / "ca.crt").write_bytes(plane.ca_file.read_bytes())
    (identity / "namespace").write_text(SYSTEM)
    (identity / "token").write_text(await plane.token(SYSTEM, account))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "KUBERNETES_SERVICE_HOST": plane.host,
        "KUBERNETES_SERVICE_PORT": str(plane.port),
        "GREENROOM_SERVICEACCOUNT_DIR": str(identity),
        "GREENROOM_ALL_NAMESPACES": "true",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "greenroom_core.cli", "uninstall", "--drain-seconds", "0"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    log, _ = await process.communicate()
    assert process.returncode == 0, log.decode()
    assert "the whole cluster is clear" in log.decode()
    assert "did not go by itself" not in log.decode()
    for plural in ("agentsessions", "agentruntimes"):
        assert (await plane.admin.request("GET", f"/apis/greenroom.dev/v1alpha1/{plural}"))["items"] == []
