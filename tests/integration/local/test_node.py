"""Pods as processes, on the real API server: everything that a kubelet would do for a runtime pod."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from greenroom_local.admin import AdminError
from greenroom_local.node import ProcessNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from greenroom_local.control_plane import ControlPlane

SERVER = textwrap.dedent("""
    import http.server, os, pathlib
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if pathlib.Path(os.environ["FLAGS"], self.path[1:]).exists() else 503)
            self.end_headers()
    http.server.HTTPServer(("127.0.0.1", int(os.environ["GREENROOM_PORT"])), Handler).serve_forever()
""")

PATIENT = textwrap.dedent("""
    import signal, subprocess, sys
    def end(*_):
        print("told to end", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    child = subprocess.Popen([sys.executable, "-c", CHILD])
    print("child", child.pid, flush=True)
    child.wait()
""")

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"


class Pods:
    """Makes and reads the pods of one namespace as the administrator."""

    def __init__(self, plane: ControlPlane, node: ProcessNode) -> None:
        self.plane = plane
        self.node = node
        self.path = f"/api/v1/namespaces/{node.namespace}/pods"

    async def run(self, script: str, name: str = "one", **fields: Any) -> dict[str, Any]:
        spec = fields.pop("spec", {})
        container = {"name": "main", "image": "any", "command": ["python", "-c", script], **fields}
        body = {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": [container], **spec}}
        return await self.plane.admin.request("POST", self.path, body)

    async def get(self, name: str = "one") -> dict[str, Any] | None:
        try:
            return await self.plane.admin.request("GET", f"{self.path}/{name}")
        except AdminError as error:
            if error.status == 404:
                return None
            raise

    async def delete(self, name: str = "one", **options: Any) -> None:
        await self.plane.admin.request("DELETE", f"{self.path}/{name}", options)

    async def until(self, holds: Callable[[Any], Any], name: str = "one", seconds: float = 60) -> Any:
        """The pod, or None for none, as soon as `holds` of it."""
        pod = None
        try:
            async with asyncio.timeout(seconds):
                while not holds(pod := await self.get(name)):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"the pod never came to this; it is {json.dumps(pod and pod['status'])}")
        return pod

    async def until_printed(self, text: str, name: str = "one") -> str:
        log = self.node.log_file(name)
        await self.until(lambda _: log.exists() and text in log.read_text(), name)
        return log.read_text()


@pytest_asyncio.fixture
async def pods(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> AsyncIterator[Pods]:
    async with ProcessNode(control_plane, namespace, tmp_path / "node") as node:
        yield Pods(control_plane, node)


def phase(name: str) -> Callable[[Any], bool]:
    return lambda pod: pod is not None and pod["status"]["phase"] == name


def ready(expected: bool) -> Callable[[Any], bool]:
    return lambda pod: (
        {"type": "Ready", "status": str(expected)}.items()
        <= next((c for c in pod["status"]["conditions"] if c["type"] == "Ready"), {}).items()
    )


def gone(pod: Any) -> bool:
    return pod is None


def terminated(pod: Any) -> dict[str, Any]:
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return state


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def test_runs_and_is_ready_without_probes(pods: Pods) -> None:
    await pods.run("import signal; signal.pause()")
    pod = await pods.until(lambda pod: phase("Running")(pod) and ready(True)(pod))
    assert pod["spec"]["nodeName"] == pods.node.name
    assert pod["status"]["podIP"] == "127.0.0.1"
    assert "startTime" in pod["status"]
    assert alive(pods.node.pid("one"))


@pytest.mark.parametrize(
    ("script", "expected", "code"),
    [
        ("print('said')", "Succeeded", 0),
        ("print('said'); raise SystemExit(3)", "Failed", 3),
        ("print('said', flush=True); import os; os.kill(os.getpid(), 9)", "Failed", 137),
    ],
)
async def test_end_of_the_process_is_the_end_of_the_pod(pods: Pods, script: str, expected: str, code: int) -> None:
    await pods.run(script)
    pod = await pods.until(phase(expected))
    assert terminated(pod)["exitCode"] == code
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    assert ready(False)(pod)
    assert pods.node.log_file("one").read_text() == "said\n", "it ran once"


async def test_environment_is_that_of_a_pod(control_plane: ControlPlane, pods: Pods) -> None:
    namespace = pods.node.namespace
    core = f"/api/v1/namespaces/{namespace}"
    await control_plane.admin.create(
        f"{core}/secrets", {"metadata": {"name": "keys"}, "stringData": {"deepgram": "abc"}}
    )
    await control_plane.admin.create(f"{core}/configmaps", {"metadata": {"name": "conf"}, "data": {"A": "1"}})
    made = await pods.run(
        "import json, os; print(json.dumps(dict(os.environ)))",
        args=["$(POD)", "$(UNKNOWN)", "$$(POD)"],
        env=[
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "UID_", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "deepgram"}}},
            {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y", "optional": True}}},
            {"name": "BOTH", "value": "$(POD)/$(KEY)"},
        ],
        envFrom=[{"configMapRef": {"name": "conf"}, "prefix": "CONF_"}],
    )
    await pods.until(phase("Succeeded"))
    environment = json.loads(pods.node.log_file("one").read_text())
    assert {
        "POD": "one",
        "UID_": made["metadata"]["uid"],
        "IP": "127.0.0.1",
        "KEY": "abc",
        "BOTH": "one/abc",
        "CONF_A": "1",
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(control_plane.port),
    }.items() <= environment.items()
    assert "MAYBE" not in environment
    assert "KUBECONFIG" not in environment


async def test_token_is_the_pods_own(control_plane: ControlPlane, pods: Pods) -> None:
    made = await pods.run(
        "import os, pathlib, signal\n"
        "folder = pathlib.Path(os.environ['GREENROOM_SERVICEACCOUNT_DIR'])\n"
        "print((folder / 'token').read_text(), (folder / 'namespace').read_text(), end=' end', flush=True)\n"
        "print((folder / 'ca.crt').read_text(), flush=True)\n"
        "print(folder, oct((folder / 'token').stat().st_mode & 0o777), 'all', flush=True)\n"
        "signal.pause()"
    )
    text = await pods.until_printed("all")
    token, namespace = text.split()[:2]
    assert namespace == pods.node.namespace
    assert control_plane.ca_file.read_text() in text
    assert "0o600" in text
    review = await control_plane.admin.request(
        "POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token}}
    )
    user = review["status"]["user"]
    assert user["username"] == f"system:serviceaccount:{namespace}:default"
    assert user["extra"]["authentication.kubernetes.io/pod-uid"] == [made["metadata"]["uid"]]
    folder = Path(text.splitlines()[-1].split()[0])
    await pods.delete(gracePeriodSeconds=1)
    await pods.until(gone)
    assert not folder.exists()


async def test_readiness_follows_the_probe(pods: Pods, tmp_path: Path) -> None:
    probe = {"httpGet": {"path": "/ready", "port": "web"}, "periodSeconds": 1, "failureThreshold": 1}
    await pods.run(
        SERVER,
        env=[{"name": "FLAGS", "value": str(tmp_path)}],
        ports=[{"name": "web", "containerPort": 8080}],
        readinessProbe=probe,
    )
    await pods.until(lambda pod: phase("Running")(pod) and ready(False)(pod))
    (tmp_path / "ready").touch()
    await pods.until(ready(True))
    (tmp_path / "ready").unlink()
    pod = await pods.until(ready(False))
    assert pod["status"]["phase"] == "Running", "not ready is not dead"


async def test_dead_by_its_liveness_probe(pods: Pods, tmp_path: Path) -> None:
    probe = {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
    (tmp_path / "health").touch()
    await pods.run(SERVER, env=[{"name": "FLAGS", "value": str(tmp_path)}], livenessProbe=probe)
    await pods.until(phase("Running"))
    (tmp_path / "health").unlink()
    pod = await pods.until(phase("Failed"))
    assert terminated(pod)["exitCode"] == 128 + signal.SIGTERM


async def test_deleted_pod_stays_until_process_and_children_are_dead(pods: Pods) -> None:
    await pods.run(PATIENT.replace("CHILD", repr(STUBBORN)), spec={"terminationGracePeriodSeconds": 30})
    text = await pods.until_printed("deaf")
    child = int(next(line for line in text.splitlines() if line.startswith("child")).split()[1])
    process = pods.node.pid("one")
    await pods.delete()
    await pods.until(gone)
    assert "told to end" in pods.node.log_file("one").read_text()
    assert not alive(process)
    assert not alive(child), "the end of the first process is the end of all"


async def test_deaf_process_is_killed_after_its_grace(pods: Pods) -> None:
    await pods.run(STUBBORN, spec={"terminationGracePeriodSeconds": 2})
    await pods.until_printed("deaf")
    process = pods.node.pid("one")
    clock = asyncio.get_running_loop().time
    before = clock()
    await pods.delete()
    pod = await pods.get()
    assert pod is not None
    assert "deletionTimestamp" in pod["metadata"]
    assert alive(process)
    await pods.until(gone)
    assert 1.9 < clock() - before < 30
    assert not alive(process)


async def test_second_deletion_shortens_the_grace(pods: Pods) -> None:
    await pods.run(STUBBORN, spec={"terminationGracePeriodSeconds": 300})
    await pods.until_printed("deaf")
    await pods.delete()
    await pods.delete(gracePeriodSeconds=1)
    await pods.until(gone)


async def test_process_ends_when_its_object_was_removed_by_force(pods: Pods) -> None:
    await pods.run("import signal; signal.pause()")
    await pods.until(phase("Running"))
    process = pods.node.pid("one")
    await pods.delete(gracePeriodSeconds=0)
    assert await pods.get() is None
    async with asyncio.timeout(60):
        while alive(process):
            await asyncio.sleep(0.05)


async def test_process_has_its_grace_when_its_object_is_found_gone(pods: Pods) -> None:
    await pods.run(STUBBORN, spec={"terminationGracePeriodSeconds": 2})
    await pods.until_printed("deaf")
    process = pods.node.pid("one")
    clock = asyncio.get_running_loop().time
    before = clock()
    # As after a partition in which somebody else removed the object: no deletion was ever seen.
    pods.node._life("one").removed()
    async with asyncio.timeout(60):
        await pods.node.until("one", lambda facts: facts is None)
    assert clock() - before > 1.9
    assert not alive(process)


async def test_command_that_cannot_run_fails_the_pod(pods: Pods) -> None:
    await pods.run("", command=["/no/such/program"])
    pod = await pods.until(phase("Failed"))
    assert (pod["status"]["reason"], pod["status"]["message"]) == (
        "CannotStart",
        "/no/such/program: No such file or directory",
    )


async def test_missing_secret_fails_the_pod(pods: Pods) -> None:
    source = {"secretKeyRef": {"name": "keys", "key": "deepgram"}}
    await pods.run("", env=[{"name": "KEY", "valueFrom": source}])
    pod = await pods.until(phase("Failed"))
    assert pod["status"]["message"] == "secrets keys has no key deepgram"


async def test_restarted_node_starts_nothing_twice(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    async with ProcessNode(control_plane, namespace, tmp_path) as node:
        pods = Pods(control_plane, node)
        await pods.run("import os, signal; print(os.getpid(), flush=True); signal.pause()")
        await pods.until_printed("\n")
        process = node.pid("one")
    assert not alive(process), "a node takes its processes with it"
    async with ProcessNode(control_plane, namespace, tmp_path) as node:
        pods = Pods(control_plane, node)
        pod = await pods.until(phase("Failed"))
        assert pod["status"]["reason"] == "NodeRestarted"
        assert len(node.log_file("one").read_text().splitlines()) == 1


async def test_pods_outlive_an_outage_of_the_api_server(control_plane: ControlPlane, pods: Pods) -> None:
    await pods.run("import signal; signal.pause()")
    await pods.until(phase("Running"))
    process = pods.node.pid("one")
    await control_plane.api_server.kill()
    os.kill(process, signal.SIGTERM)  # what happens meanwhile is told afterwards
    control_plane.api_server.start()
    await control_plane.wait_ready()
    pod = await pods.until(phase("Failed"))
    assert terminated(pod)["signal"] == signal.SIGTERM
