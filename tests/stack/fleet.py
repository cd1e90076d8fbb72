"""The AgentRuntime of a test, as the object that is applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from greenroom_core.model import names

AGENTS = Path(__file__).resolve().parents[1] / "agents"
RUNTIME_ACCOUNT = "greenroom-runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """A fixed number of pods, or as `autoscaling` says, that run an agent file with `python`.

    `limits`, `queue` and `defaults` are spec.limits, spec.queue and sessionDefaults; `pod` goes into its pods' spec.
    """

    name: str = names.DEFAULT_RUNTIME
    pods: int = 2
    autoscaling: Mapping[str, Any] = field(default_factory=dict)
    slots: int = 4
    limits: Mapping[str, int] = field(default_factory=dict)
    queue: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    drain_timeout_seconds: int = 20
    agent: Path = AGENTS / "scripted.py"
    python: str = "python"
    environment: Mapping[str, str] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)

    def body(self, journal: Path) -> dict[str, Any]:
        variables = {"GREENROOM_TEST_JOURNAL": str(journal), **self.environment}
        container = {
            "name": "agent",
            "image": "local-process",
            "command": [self.python, str(self.agent), "runtime"],
            "env": [{"name": name, "value": value} for name, value in variables.items()],
        }
        pod_spec = {**self.pod, "serviceAccountName": RUNTIME_ACCOUNT, "containers": [container]}
        return {
            "apiVersion": names.API_VERSION,
            "kind": "AgentRuntime",
            "metadata": {"name": self.name},
            "spec": {
                **({"autoscaling": dict(self.autoscaling)} if self.autoscaling else {"replicas": self.pods}),
                "sessionsPerPod": self.slots,
                "limits": dict(self.limits),
                "queue": dict(self.queue),
                "sessionDefaults": dict(self.defaults),
                "drainTimeoutSeconds": self.drain_timeout_seconds,
                "template": {"spec": pod_spec},
            },
        }
