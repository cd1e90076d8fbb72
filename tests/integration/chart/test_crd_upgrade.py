"""helm leaves CRDs that are there alone: the chart refuses older ones, and the command that it names brings ours."""

from __future__ import annotations

import asyncio
import copy
import os
import re
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.crds import install
from tests.unit.chart.rendering import CHART, Body, Helm, Refused

from greenroom_core.model import crds, names
from greenroom_local.binaries import find_installed
from greenroom_local.control_plane import ControlPlane

from .release import Release

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NEW_FIELD = "ttlSecondsAfterFinished"
SESSIONS = "/apis/greenroom.dev/v1alpha1/namespaces/voice/agentsessions"


@pytest.fixture
async def release(helm: Helm, tmp_path: Path) -> AsyncIterator[Release]:
    """In a cluster of its own: other tests need the CRDs as they are."""
    binaries = find_installed()
    assert binaries is not None, "no control-plane binaries: run `make test`, which brings them"
    async with ControlPlane(binaries, tmp_path, unsafe_no_fsync=True) as fresh:
        await fresh.ensure_namespace("voice")
        yield Release(helm, fresh, "voice")


def older() -> list[Body]:
    """The CRDs as a chart had them that knew neither the field nor revisions."""
    bodies = [copy.deepcopy(body) for body in (crds.session_crd(), crds.runtime_crd())]
    spec = bodies[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"][NEW_FIELD]
    return bodies


async def stored(release: Release, name: str) -> Body:
    """A session's spec, as the cluster keeps it."""
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "AgentSession",
        "metadata": {"name": name},
        "spec": {"callId": "call", NEW_FIELD: 60},
    }
    # Without strict validation an unknown field is dropped, as it is for every program.
    made = await release.cluster.admin.request("POST", f"{SESSIONS}?fieldValidation=Ignore", body)
    spec: Body = made["spec"]
    return spec


async def test_install_and_upgrade_wait_for_the_command_that_they_name(release: Release, helm: Helm) -> None:
    for crd in older():
        await install(release.cluster.admin, crd)
    assert NEW_FIELD not in await stored(release, "before")
    with pytest.raises(Refused, match=r"the cluster's CRD agentsessions\.greenroom\.dev is of revision 0"):
        await release.install({})
    await release.install({"crdCheck": False})
    with pytest.raises(Refused, match="and this chart needs") as refusal:
        await release.upgrade({"crdCheck": True})
    [command] = re.findall(r"helm show crds CHART \|.* -f -", str(refusal.value))
    await run(command.replace("CHART", str(CHART)), release.cluster, helm)
    await release.upgrade({"crdCheck": True})
    assert (await stored(release, "after"))[NEW_FIELD] == 60
    # Those of a chart yet to come, of another release in this cluster, are left alone.
    for path in sorted((CHART / "crds").iterdir()):
        crd = yaml.safe_load(path.read_text())
        crd["metadata"]["annotations"][names.CRD_REVISION] = "999"
        await install(release.cluster.admin, crd)
    await release.upgrade({"api": {"replicas": 3}})


async def test_whoever_may_not_read_crds_does_without_the_check(
    cluster: ControlPlane, namespace: str, helm: Helm, tmp_path: Path
) -> None:
    await bind_admin(cluster, namespace, "tenant")
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": await cluster.token(namespace, "tenant")}
    theirs = tmp_path / "tenant"
    theirs.write_text(yaml.safe_dump(config))
    words = ("install", "greenroom", str(CHART), "--namespace", namespace, "--skip-crds")
    with pytest.raises(Refused, match="forbidden"):
        await asyncio.to_thread(helm.run, *words, values={}, kubeconfig=theirs)
    small: Body = {
        "crdCheck": False,
        "userRoles": False,
        "admissionPolicies": False,
        "operator": {"watchNodes": False},
        "api": {"auth": {"mode": "keys", "keys": {"secret": "callers"}}},
    }
    said = await asyncio.to_thread(helm.run, *words, values=small, kubeconfig=theirs)
    assert "STATUS: deployed" in said


async def bind_admin(cluster: ControlPlane, namespace: str, account: str) -> None:
    """Everything in the namespace, nothing beyond it."""
    admin = cluster.admin
    meta = {"name": account}
    await admin.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": meta})
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    await admin.create(f"{rbac}/roles", {"metadata": meta, "rules": rules})
    binding = {
        "metadata": meta,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }
    await admin.create(f"{rbac}/rolebindings", binding)


async def run(command: str, cluster: ControlPlane, helm: Helm) -> None:
    """In a shell, as it stands in the message."""
    binaries = find_installed()
    assert binaries is not None
    path = os.pathsep.join([str(helm.program.parent), str(binaries.kubectl.parent), os.environ["PATH"]])
    process = await asyncio.create_subprocess_shell(
        command,
        env={**os.environ, "PATH": path, "KUBECONFIG": str(cluster.kubeconfig)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
