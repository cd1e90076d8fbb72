"""Runtime pods and AgentRuntimes as kubectl shows them, and a second fleet beside the chart's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom_core.model import names

if TYPE_CHECKING:
    from tests.e2e.scene import Body, Scene

SECOND = "second"


def ready(pod: Body) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod["status"].get("conditions", ())
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def name(body: Body) -> str:
    return str(body["metadata"]["name"])


def revision(pod: Body) -> str:
    return str(pod["metadata"]["labels"][names.REVISION_LABEL])


async def pods(scene: Scene, runtime: str = "default") -> list[Body]:
    return await scene.kubectl.items("pods", "-l", f"{names.RUNTIME_LABEL}={runtime}")


async def pod(scene: Scene, pod_name: str) -> Body | None:
    """None when it is gone."""
    found = [item for item in await scene.kubectl.items("pods") if name(item) == pod_name]
    return found[0] if found else None


async def until_gone(scene: Scene, pod_name: str) -> None:
    async def gone() -> bool:
        return await pod(scene, pod_name) is None

    await scene.until(gone, f"pod {pod_name} is gone", seconds=360)


async def until_ready(scene: Scene, runtime: str = "default", *, other_than: str = "") -> Body:
    """A ready pod of the fleet."""

    async def there() -> Body | None:
        found = [item for item in await pods(scene, runtime) if ready(item) and name(item) != other_than]
        return found[0] if found else None

    return await scene.until(there, f"a ready pod of {runtime}{f' other than {other_than}' if other_than else ''}")


def second(scene: Scene, **spec: Any) -> Body:
    """An AgentRuntime of one's own: two slots, limits, and processes that see each other, so that one can be killed."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUNTIME_KIND,
        "metadata": {"name": SECOND},
        "spec": {
            "replicas": 1,
            "sessionsPerPod": 1,
            "limits": {"maxSessionsPerCall": 1, "maxConcurrentSessions": 2},
            "template": {
                "spec": {
                    "serviceAccountName": "greenroom-runtime",
                    "automountServiceAccountToken": True,
                    "enableServiceLinks": False,
                    "shareProcessNamespace": True,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 65532,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [
                        {
                            "name": "agent",
                            "image": scene.image,
                            "imagePullPolicy": "IfNotPresent",
                            "command": ["python", "/app/examples/voice_agent.py", "runtime"],
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "readOnlyRootFilesystem": True,
                                "capabilities": {"drop": ["ALL"]},
                            },
                            "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
                            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                        }
                    ],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                }
            },
            **spec,
        },
    }
