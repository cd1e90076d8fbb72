"""Ways out: uninstall in the right order and in the wrong one, a namespace that is deleted, and the CRDs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e import calls
from tests.e2e.scene import CHART, NAMESPACE, RELEASE
from tests.e2e.steps import installing, remains

if TYPE_CHECKING:
    from tests.e2e.scene import Body, Scene

_FINALIZERS_OFF = '{"metadata":{"finalizers":null}}'
_OURS = "agentsessions,agentruntimes"


async def uninstalled(scene: Scene) -> None:
    """helm uninstall under a live call: it may go on for a while, is ended, and nothing of the release is left."""
    live = await calls.start(scene, "to-the-end")
    await scene.helm.ok("uninstall", RELEASE, "--timeout", "5m", seconds=360)
    assert live.session not in await scene.kubectl.ok("get", "agentsessions", "-o", "name")
    await remains.until_nothing_is_left(scene, scene.before)


async def wrong_order(scene: Scene) -> None:
    """helm uninstall --no-hooks under a live call: what stays Terminating goes by the documented command."""
    await installing.helm_install(scene, **_small(scene))
    await calls.start(scene, "left-behind")
    await scene.helm.ok("uninstall", RELEASE, "--no-hooks", "--timeout", "5m", seconds=360)

    async def nobody_left() -> bool:
        found = await scene.kubectl.ok("get", "pods", "-l", "app.kubernetes.io/component=operator", "-o", "name")
        assert not found, found
        return True

    await scene.until(nobody_left, "the operator is gone")
    await scene.kubectl.ok("delete", "agentsessions", "--all", "--wait=false")
    stuck = await _ours(scene)
    assert {item["kind"] for item in stuck} == {"AgentSession", "AgentRuntime"}, str(stuck)
    assert all("deletionTimestamp" in item["metadata"] for item in stuck), str(stuck)
    for line in (await scene.kubectl.ok("get", _OURS, "-o", "name")).split():
        await scene.kubectl.ok("patch", line, "--type=merge", "-p", _FINALIZERS_OFF)
    await remains.until_nothing_is_left(scene, scene.before)


async def namespace_deleted(scene: Scene) -> None:
    """A namespace that is deleted with a live call in it ends by itself."""
    await installing.helm_install(scene, **_small(scene))
    await calls.start(scene, "with-the-namespace")
    await scene.kubectl.ok("delete", "namespace", NAMESPACE, "--wait=false")

    async def gone() -> bool:
        names = await scene.kubectl.ok("get", "namespaces", "-o", "name")
        assert f"namespace/{NAMESPACE}" not in names.split(), str(await _ours(scene))
        return True

    await scene.until(gone, "the namespace is gone")


async def crds_removed(scene: Scene) -> None:
    """The documented command takes the CRDs away, and what was the release's beside its namespace goes, too."""
    crds = await scene.helm.ok("show", "crds", str(CHART))
    await scene.kubectl.ok("delete", "-f", "-", given=crds)
    found = await scene.kubectl.ok("get", "customresourcedefinitions", "-o", "name")
    assert "greenroom.dev" not in found, found
    for line in await remains.of_cluster(scene):
        await scene.kubectl.ok("delete", line)


async def _ours(scene: Scene) -> list[Body]:
    return await scene.kubectl.items(_OURS)


def _small(scene: Scene) -> Body:
    """One operator, and a drain that is short: whose account is gone stays for as long as its pod may."""
    return {"operator": {"replicas": 1}, "demo": {**scene.values()["demo"], "drainTimeoutSeconds": 20}}
