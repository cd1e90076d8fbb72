"""From an empty namespace to a first session; what the chart has made then, and what it takes at rest."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.e2e import calls, fleet
from tests.e2e.scene import ACCOUNTS, CHART, NAMESPACE, RELEASE, TLS_SECRET
from tests.e2e.steps import remains

if TYPE_CHECKING:
    from tests.e2e.scene import Scene

INSTALL_SECONDS = 600.0
_FIRST = "first-call"
_COMPONENTS = ("operator", "api", "runtime")
_LARGEST_BYTES = 400e6


async def prepare_namespace(scene: Scene) -> None:
    """One that takes only restricted pods, with callers, and a certificate for the Ingress."""
    level = {"enforce": "restricted", "enforce-version": "latest", "warn": "restricted"}
    labels = {f"pod-security.kubernetes.io/{mode}": value for mode, value in level.items()}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    await scene.kubectl.apply(namespace)
    scene.make_certificate()
    certificate = (f"--cert={scene.certificate}", f"--key={scene.key_file}")
    await scene.kubectl.ok("create", "secret", "tls", TLS_SECRET, *certificate)
    for account, role in ACCOUNTS.items():
        await scene.kubectl.ok("create", "serviceaccount", account)
        if role:
            subject = f"--serviceaccount={NAMESPACE}:{account}"
            await scene.kubectl.ok("create", "rolebinding", account, f"--clusterrole={role}", subject)


async def helm_install(scene: Scene, **changes: Any) -> str:
    return await scene.helm.with_values(
        scene.values(**changes),
        *("install", RELEASE, str(CHART), "--wait", "--timeout", f"{INSTALL_SECONDS:.0f}s"),
        seconds=INSTALL_SECONDS + 60,
    )


async def install(scene: Scene) -> None:
    await prepare_namespace(scene)
    scene.before = await remains.of_namespace(scene)
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        installing = group.create_task(helm_install(scene))
        first = group.create_task(_first_session(scene, begun))
    assert "STATUS: deployed" in installing.result(), installing.result()
    scene.figures.seconds("helm install to the first session Running", first.result())


async def _first_session(scene: Scene, begun: float) -> float:
    """A caller who tries until it is answered 201, from the moment of `helm install` on; the seconds since then."""
    door = await scene.door()

    async def started() -> str | None:
        try:
            answer = await door.start(_FIRST, key="first")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise AssertionError(repr(error)) from None
        assert answer.status == 201, f"{answer.status} {answer.body}"
        return answer.session_id

    session = await scene.until(started, "the first session runs", seconds=INSTALL_SECONDS)
    seconds = time.monotonic() - begun
    seen = await calls.status(scene, session)
    assert seen["phase"] == "Running", str(seen)
    assert (await door.close(_FIRST, session)).status == 202
    return seconds


async def restricted_pods(scene: Scene) -> None:
    """Operator, API and runtime are ready in a namespace that refuses whatever is not restricted."""
    for component in _COMPONENTS:
        for item in await _running(scene, component):
            for container in item["spec"]["containers"]:
                assert container["securityContext"]["readOnlyRootFilesystem"] is True, fleet.name(item)
    loose = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "loose"},
        "spec": {"containers": [{"name": "loose", "image": scene.image}]},
    }
    refused = await scene.kubectl.run("apply", "--dry-run=server", "-f", "-", given=json.dumps(loose))
    assert refused.status != 0, "the namespace takes any pod: nothing has been shown"
    assert "violates PodSecurity" in refused.err, refused.err


async def helm_test(scene: Scene) -> None:
    said = await scene.helm.ok("test", RELEASE, "--timeout", "300s", seconds=360)
    assert "Phase:          Succeeded" in said, said


async def memory_at_rest(scene: Scene) -> None:
    """As the kubelet counts it (working set), of each kind of pod: the largest."""
    pods = {component: await _running(scene, component) for component in _COMPONENTS}
    nodes = {item["spec"]["nodeName"] for items in pods.values() for item in items}
    names = {fleet.name(item) for items in pods.values() for item in items}

    async def measured() -> dict[str, int] | None:
        seen = await _working_sets(scene, nodes)
        assert names <= seen.keys(), f"the kubelet has no figures of {names - seen.keys()} yet"
        return seen

    seen = await scene.until(measured, "the kubelet's figures of all pods")
    for component, items in pods.items():
        largest = max(seen[fleet.name(item)] for item in items)
        assert 10e6 < largest < _LARGEST_BYTES, f"a pod of {component} takes {largest} bytes at rest"
        scene.figures.megabytes(f"memory at rest: {component} pod", largest)


async def _running(scene: Scene, component: str) -> list[dict[str, Any]]:
    """Its ready pods, of which there are some."""
    selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={component}"
    found = [item for item in await scene.kubectl.items("pods", "-l", selector) if fleet.ready(item)]
    assert found, f"no pod of {component} is ready"
    return found


async def _working_sets(scene: Scene, nodes: set[str]) -> dict[str, int]:
    seen: dict[str, int] = {}
    for node in nodes:
        summary = json.loads(await scene.kubectl.ok("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
        for item in summary["pods"]:
            if item["podRef"]["namespace"] == NAMESPACE:
                counts = [container.get("memory", {}).get("workingSetBytes", 0) for container in item["containers"]]
                if counts and all(counts):
                    seen[item["podRef"]["name"]] = sum(counts)
    return seen
