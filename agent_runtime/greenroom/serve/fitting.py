"""Which requests one node can carry out. What it cannot honour it refuses by name, and never passes over. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model.names import DEFAULT_RUNTIME
from greenroom_core.model.session import RestartPolicy

if TYPE_CHECKING:
    from greenroom_api.backend import StartRequest


def misfit(request: StartRequest) -> str | None:
    """Why this server cannot do what is asked; None: it can.

    A start deadline always fits: nothing waits for a slot here, a start has its place at once or is refused.
    """
    if request.runtime != DEFAULT_RUNTIME:
        return f"runtime: this server runs one agent, named '{DEFAULT_RUNTIME}', and no '{request.runtime}'"
    if request.priority != 0:
        return "priority: on this server no session waits, so none can go before another; leave it out"
    if request.restart_policy is RestartPolicy.ON_POD_LOSS:
        return "restart_policy: OnPodLoss needs a cluster; this server can only do Never"
    if request.ttl_seconds_after_finished is not None:
        return "ttl_seconds_after_finished: how long ended sessions stay listed is the same for all here; leave it out"
    if request.labels:
        return "labels: they are those of a cluster's object, and this server keeps none; leave them out"
    return None
