"""What is in a namespace, and what a release has in the cluster beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.scene import NAMESPACE, RELEASE

if TYPE_CHECKING:
    from tests.e2e.scene import Scene

_CLUSTER_WIDE = (
    "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,"
    "mutatingwebhookconfigurations,validatingwebhookconfigurations,priorityclasses"
)
_STAYS = {"lease.coordination.k8s.io/greenroom-operator"}
"""docs/install.md says so: an operator that is still there would make it anew, and the next one takes it up."""
_PASSING = ("event/", "event.events.k8s.io/", "podmetrics.metrics.k8s.io/")


async def of_namespace(scene: Scene) -> set[str]:
    """Every object that can be listed, but Events, which go by themselves."""
    listed = await scene.kubectl.ok("api-resources", "--verbs=list", "--namespaced", "-o", "name")
    found = await scene.kubectl.ok("get", ",".join(listed.split()), "-o", "name", "--ignore-not-found")
    return {line for line in found.split() if not line.startswith(_PASSING)}


async def of_cluster(scene: Scene) -> set[str]:
    """Objects of no namespace that are the release's, by label or by name."""
    found = (await scene.kubectl.ok("get", _CLUSTER_WIDE, "-o", "name")).split()
    return {line for line in found if line.partition("/")[2].startswith(f"{NAMESPACE}-{RELEASE}")}


async def until_nothing_is_left(scene: Scene, before: set[str]) -> None:
    """In the namespace there is what was there before, and in the cluster nothing of the release."""

    async def clear() -> bool:
        left = (await of_namespace(scene) - before - _STAYS) | await of_cluster(scene)
        assert not left, f"left behind: {sorted(left)}"
        return True

    await scene.until(clear, "nothing of the release is left")
