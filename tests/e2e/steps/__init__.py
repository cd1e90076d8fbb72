"""The suite's steps in their order; each needs those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.runner import Step
from tests.e2e.steps import access, control, disruption, installing, leaving, sessions

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAVING = (
    Step("helm uninstall leaves nothing", leaving.uninstalled),
    Step("uninstalled in the wrong order, and mended", leaving.wrong_order),
    Step("a namespace deleted under a live call", leaving.namespace_deleted),
    Step("the CRDs removed", leaving.crds_removed),
)

STEPS: tuple[Step, ...] = (
    Step("helm install, to the first session Running", installing.install),
    Step("every pod passes restricted Pod Security", installing.restricted_pods),
    Step("helm test", installing.helm_test),
    Step("memory of each pod at rest", installing.memory_at_rest),
    Step("REST without a token: 401, with one that may not: 403", access.strangers),
    Step("the Ingress: its certificate, its paths", access.ingress),
    Step("POST through the ingress, GET, listing, DELETE", sessions.post),
    Step("a question heard and answered aloud, metrics", sessions.talk),
    Step("a close token ends its own session", sessions.close_token),
    Step("kubectl apply, get, delete of an AgentSession", sessions.applied),
    Step("kubectl explain, and a manifest that cannot be", sessions.explained),
    Step("limits and refusals by their status", sessions.limits),
    Step("closed while it waits for a slot: 409", sessions.closed_while_waiting),
    Step("both API replicas answer behind the ingress", control.both_replicas),
    Step("a compromised pod attacks a neighbour: Forbidden", access.compromised_pod),
    Step("the operator's leader killed under live calls", control.operator_killed),
    Step("the API restarted under a trickle of requests", control.api_restarted),
    Step("helm upgrade under live calls, CRDs first", control.upgraded),
    Step("rolling update of the fleet under live calls", disruption.rollout),
    Step("eviction: refused under a call, granted after it", disruption.eviction),
    Step("the older revision's pod has left", disruption.old_revision_left),
    Step("kubectl delete pod: its call goes on to its end", disruption.deleted_pod),
    Step("kubectl cordon and uncordon", disruption.cordon),
    Step("a pod removed by force: PodLost, or again elsewhere", disruption.removed_by_force),
    Step("kill -9 of an agent's process", disruption.killed_process),
    Step("a deleted AgentRuntime goes after its last call", disruption.deleted_runtime),
    *_LEAVING,
)


def chosen(words: Sequence[str] = (), *, keep: bool = False) -> list[Step]:
    """The steps with any of `words` in their title, all without words; with `keep` without those that uninstall."""
    steps = [step for step in STEPS if not (keep and step in _LEAVING)]
    return [step for step in steps if not words or any(word.lower() in step.title.lower() for word in words)]
