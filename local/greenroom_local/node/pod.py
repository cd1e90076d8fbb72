"""A pod as the node reads it: the object, and plain questions to it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import field

from greenroom_core.kube.kinds import Kind, kind
from greenroom_core.model.meta import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_GRACE_SECONDS = 30.0


class CannotStart(Exception):
    """The pod's container cannot be run here; the message goes into the pod's status."""


class LocalPod(Resource, frozen=True):
    """A Pod with spec and status as they came."""

    spec: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)

    @property
    def node_name(self) -> str:
        return str(self.spec.get("nodeName", ""))

    @property
    def container(self) -> Mapping[str, Any]:
        """The one that is run."""
        first: Mapping[str, Any] = self.spec["containers"][0]
        return first

    @property
    def service_account(self) -> str:
        return str(self.spec.get("serviceAccountName") or "default")

    @property
    def wants_token(self) -> bool:
        return self.spec.get("automountServiceAccountToken") is not False

    @property
    def host_port(self) -> int | None:
        """The port of the machine that the container asks for; without one any free port is given to it."""
        ports = self.container.get("ports") or ()
        return next((port["hostPort"] for port in ports if port.get("hostPort")), None)

    @property
    def finished(self) -> bool:
        return self.status.get("phase") in ("Failed", "Succeeded")

    @property
    def started_before(self) -> bool:
        """Some kubelet has started it already: a pod is one process life, so it is not started again."""
        return "startTime" in self.status

    @property
    def grace_seconds(self) -> float:
        """How long its process may take to end once it has been told to."""
        asked = self.metadata.deletion_grace_period_seconds
        if asked is None:
            asked = self.spec.get("terminationGracePeriodSeconds")
        return _DEFAULT_GRACE_SECONDS if asked is None else float(asked)


PODS: Kind[LocalPod] = kind("/api/v1", "pods", LocalPod)
