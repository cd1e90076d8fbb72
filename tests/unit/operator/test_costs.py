"""What must not grow with the number of sessions and pods: what a cycle looks at, and how much goes out at once."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NoReturn

from tests.fakes.apiserver import FakeApiServer, Script
from tests.fakes.virtual_time import run_virtual
from tests.unit.operator.worlds import KEY, NOW, fleet, pod, session

from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.feed import Feed
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model import names
from greenroom_core.model.phases import Phase
from greenroom_core.world import World
from greenroom_operator.cluster.fence import fence
from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.values import Bind, Snapshot
from greenroom_operator.state.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from greenroom_core.kube.transport import Answer, Request
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession

NAMESPACE = "default"


class Asked(dict[str, "Pod"]):
    """Pods that may be asked for by uid, and never gone through."""

    def __iter__(self) -> Iterator[str]:
        return self._gone_through()

    def values(self) -> NoReturn:  # type: ignore[override]
        return self._gone_through()

    def items(self) -> NoReturn:  # type: ignore[override]
        return self._gone_through()

    def _gone_through(self) -> NoReturn:
        raise AssertionError("all pods have been gone through")


def snapshot(pods: dict[str, Pod], due: Sequence[AgentSession], waiting: Sequence[AgentSession]) -> Snapshot:
    ledger = Ledger()
    for each in due:
        ledger.observe(each)
    return Snapshot(
        now=NOW,
        epoch=1,
        fleets={KEY: fleet()},
        pods=pods,
        lost=set(),
        tally=ledger,
        due=due,
        waiting={KEY: waiting},
    )


def test_a_cycle_in_which_nobody_waits_goes_through_no_pods() -> None:
    there = pod()
    held = {"pod_name": there.metadata.name, "pod_uid": there.metadata.uid, "attempt": 1}
    runs = session("runs", phase=Phase.RUNNING, **held)
    decided = plan(snapshot(Asked({there.metadata.uid: there}), [runs], []))
    assert decided.actions == ()
    assert decided.short == {KEY: 0}


def test_where_somebody_waits_pods_are_gone_through() -> None:
    """So that the test above can fail."""
    there = pod()
    waits = session("waits")
    decided = plan(snapshot({there.metadata.uid: there}, [waits], [waits]))
    assert any(isinstance(action, Bind) for action in decided.actions)


class Crowded(Script):
    """Answers take a moment; `most` is how many requests were under way at once."""

    under_way = most = 0

    async def before(self, request: Request) -> Answer | None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self._clock.sleep(0.05)
        return await super().before(request)

    async def after(self, request: Request, answer: Answer) -> Answer:
        self.under_way -= 1
        return await super().after(request, answer)


def test_the_fence_leaves_the_server_room_for_renewals() -> None:
    async def story() -> None:
        server = FakeApiServer()
        transport = server.transport("leader")
        client = KubeClient(World(server.clock, Random(1), transport))
        feed: Feed[AgentSession] = Feed(client, SESSIONS, Selection(NAMESPACE), lambda _: None)
        for number in range(100):
            meta = {"apiVersion": names.API_VERSION, "kind": "AgentSession", "metadata": {"name": f"s{number}"}}
            await client.create(SESSIONS, NAMESPACE, {**meta, "spec": {"callId": "c"}})
        await feed.relist()
        transport.faults = crowded = Crowded(server.clock)
        assert await fence(client, feed, 3) == 100
        assert {each.status.epoch for each in feed.store} == {3}
        assert 1 < crowded.most <= 16

    run_virtual(story())
