"""The control plane that everything else runs on: what it offers, and how its servers are broken on purpose."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from greenroom_local.admin import AdminError
from greenroom_local.control_plane import BoundPod

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=30)


def kubectl(plane: ControlPlane, *words: str) -> str:
    done = run(plane.binaries.kubectl, f"--kubeconfig={plane.kubeconfig}", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_kubectl_works_with_the_kubeconfig(control_plane: ControlPlane, namespace: str) -> None:
    names = kubectl(control_plane, "get", "namespaces", "-o", "name").split()
    assert f"namespace/{namespace}" in names
    assert control_plane.kubeconfig.stat().st_mode & 0o077 == 0


async def test_token_is_bound_to_the_pod(control_plane: ControlPlane, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    pod = await control_plane.admin.request(
        "POST",
        pods,
        {"metadata": {"name": "one"}, "spec": {"containers": [{"name": "main", "image": "none"}]}},
    )
    token = await control_plane.token(namespace, "default", bound_pod=BoundPod("one", pod["metadata"]["uid"]))
    review = await control_plane.admin.request(
        "POST",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        {"spec": {"token": token}},
    )
    user = review["status"]["user"]
    assert user["username"] == f"system:serviceaccount:{namespace}:default"
    assert user["extra"]["authentication.kubernetes.io/pod-uid"] == [pod["metadata"]["uid"]]


async def test_token_without_a_role_is_forbidden(control_plane: ControlPlane, namespace: str) -> None:
    token = await control_plane.token(namespace, "default")
    done = run(
        control_plane.binaries.kubectl,
        "--kubeconfig=/dev/null",
        f"--server={control_plane.server_url}",
        f"--certificate-authority={control_plane.ca_file}",
        f"--token={token}",
        "get",
        "pods",
        "-n",
        namespace,
    )
    assert done.returncode == 1
    assert "forbidden" in done.stderr


async def test_servers_come_back_with_their_data(control_plane: ControlPlane, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    await control_plane.admin.request("POST", maps, {"metadata": {"name": "kept"}, "data": {"a": "b"}})
    first_pid = control_plane.api_server.pid

    assert await control_plane.api_server.kill() == -9
    with pytest.raises(AdminError) as refused:
        await control_plane.admin.request("GET", maps)
    assert refused.value.status == 0
    await control_plane.etcd.kill()
    control_plane.etcd.start()
    control_plane.api_server.start()
    await control_plane.wait_ready()

    assert control_plane.api_server.pid != first_pid
    kept = await control_plane.admin.request("GET", f"{maps}/kept")
    assert kept["data"] == {"a": "b"}
    assert json.loads(kubectl(control_plane, "get", "cm", "kept", "-n", namespace, "-o", "json"))["data"]


async def test_suspended_etcd_stops_writes_until_it_goes_on(control_plane: ControlPlane, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    control_plane.etcd.suspend()
    try:
        with pytest.raises(AdminError) as slow:
            await control_plane.admin.request("POST", f"{maps}?timeout=2s", {"metadata": {"name": "late"}})
    finally:
        control_plane.etcd.resume()
    assert slow.value.status in (0, 500, 504)
    await control_plane.wait_ready()
    assert await control_plane.admin.create(maps, {"metadata": {"name": "on-time"}})
