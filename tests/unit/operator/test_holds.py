"""The finalizer's writes against the API server in memory: only at the version seen, and never over a pod unseen."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.fakes.apiserver import FakeApiServer
from tests.fakes.virtual_time import run_virtual

from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.feed import Feed
from greenroom_core.kube.kinds import PODS, RUNTIMES
from greenroom_core.model import names
from greenroom_core.world import World
from greenroom_operator.cluster.holds import Holds
from greenroom_operator.planning.drain import Hold

if TYPE_CHECKING:
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.runtime import AgentRuntime

NAMESPACE = "default"
TEMPLATE = {"spec": {"containers": [{"name": "agent", "image": "agent"}]}}


class Bench:
    """`observed` and `gone` are what the operator would be told; the feed of pods has seen nothing."""

    def __init__(self) -> None:
        server = FakeApiServer()
        self.client = KubeClient(World(server.clock, Random(1), server.transport("operator")))
        self.pods: Feed[Pod] = Feed(self.client, PODS, Selection(NAMESPACE), lambda _: None)
        self.observed: list[AgentRuntime] = []
        self.gone: list[str] = []
        self.holds = Holds(self.client, self.pods, self.observed.append, lambda _, __, uid: self.gone.append(uid))

    async def runtime(self, *finalizers: str) -> AgentRuntime:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "AgentRuntime",
            "metadata": {"name": "default", "finalizers": list(finalizers)},
            "spec": {"template": TEMPLATE, "replicas": 1},
        }
        return await self.client.create(RUNTIMES, NAMESPACE, body)

    async def deleted(self, *finalizers: str) -> AgentRuntime:
        await self.runtime(*finalizers)
        await self.client.delete(RUNTIMES, NAMESPACE, "default")
        return await self.client.get(RUNTIMES, NAMESPACE, "default")


def test_it_goes_on_beside_those_of_others() -> None:
    async def story() -> None:
        bench = Bench()
        runtime = await bench.runtime("example.com/theirs")
        await bench.holds.write(runtime, Hold.PUT_ON)
        [after] = bench.observed
        assert after.metadata.finalizers == ("example.com/theirs", names.DRAIN)

    run_virtual(story())


def test_a_change_by_others_makes_it_read_and_leave_it_at_that() -> None:
    async def story() -> None:
        bench = Bench()
        runtime = await bench.runtime()
        newer = await bench.client.merge_patch(RUNTIMES, NAMESPACE, "default", {"spec": {"replicas": 2}})
        await bench.holds.write(runtime, Hold.PUT_ON)
        assert [seen.metadata.version for seen in bench.observed] == [newer.metadata.version]
        assert bench.observed[0].metadata.finalizers == ()
        await bench.holds.write(bench.observed[0], Hold.PUT_ON)
        assert bench.observed[-1].metadata.finalizers == (names.DRAIN,)

    run_virtual(story())


def test_a_pod_that_the_feed_has_not_seen_keeps_it() -> None:
    async def story() -> None:
        bench = Bench()
        runtime = await bench.deleted(names.DRAIN)
        owner = {"apiVersion": names.API_VERSION, "kind": names.RUNTIME_KIND, "uid": "u", "controller": True}
        for name, of in (("unseen", "default"), ("other", "another")):
            meta = {"name": name, "labels": {names.RUNTIME_LABEL: of}, "ownerReferences": [{**owner, "name": of}]}
            await bench.client.create(
                PODS, NAMESPACE, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, **TEMPLATE}
            )
        await bench.holds.write(runtime, Hold.TAKE_OFF)
        assert (await bench.client.get(RUNTIMES, NAMESPACE, "default")).metadata.finalizers == (names.DRAIN,)
        assert [seen.metadata.name for seen in bench.pods.store] == ["unseen"], "now the next look knows it"
        await bench.client.delete(PODS, NAMESPACE, "unseen", grace_period_seconds=0)
        stranger = {"name": "stranger", "labels": {names.RUNTIME_LABEL: "default"}}
        await bench.client.create(
            PODS, NAMESPACE, {"apiVersion": "v1", "kind": "Pod", "metadata": stranger, **TEMPLATE}
        )
        await bench.holds.write(runtime, Hold.TAKE_OFF)
        assert bench.gone == [runtime.metadata.uid]

    run_virtual(story())


def test_with_another_finalizer_it_is_only_let_go_by_us() -> None:
    async def story() -> None:
        bench = Bench()
        runtime = await bench.deleted("example.com/theirs", names.DRAIN)
        await bench.holds.write(runtime, Hold.TAKE_OFF)
        assert bench.gone == []
        assert bench.observed[-1].metadata.finalizers == ("example.com/theirs",)

    run_virtual(story())


def test_one_that_is_gone_and_one_that_took_its_name_are_told_apart() -> None:
    async def story() -> None:
        bench = Bench()
        first = await bench.runtime()
        await bench.client.delete(RUNTIMES, NAMESPACE, "default")
        await bench.holds.write(first, Hold.PUT_ON)
        assert bench.gone == [first.metadata.uid]
        second = await bench.runtime()
        await bench.holds.write(first, Hold.PUT_ON)
        assert bench.gone == [first.metadata.uid] * 2
        assert [seen.metadata.uid for seen in bench.observed] == [second.metadata.uid]
        assert bench.observed[0].metadata.finalizers == ()

    run_virtual(story())
