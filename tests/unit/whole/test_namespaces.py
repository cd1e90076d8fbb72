"""More than one runtime in a namespace, more than one namespace, pods of others: everybody keeps to their own."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import NAMESPACE, Stage, stage
from tests.unit.whole.test_fleets import live_pods, until_pods

from greenroom_api.backend import Started, StartRequest
from greenroom_core.kube.client import Selection
from greenroom_core.kube.kinds import PODS, RUNTIMES, SESSIONS
from greenroom_core.model import names
from greenroom_core.model.phases import Phase

TEMPLATE = {"spec": {"containers": [{"name": "agent", "image": "agent"}]}}
BOTH = ("team-a", "team-b")


async def create_runtime(here: Stage, namespace: str, **spec: Any) -> None:
    body = {
        "apiVersion": names.API_VERSION,
        "kind": names.RUNTIME_KIND,
        "metadata": {"name": "default"},
        "spec": {"template": TEMPLATE, "replicas": 1, **spec},
    }
    await here.client.create(RUNTIMES, namespace, body)


async def pods_in(here: Stage, namespace: str) -> list[str]:
    page = await here.client.list(PODS, Selection(namespace))
    return [pod.metadata.name for pod in page.items if pod.ready and not pod.leaving]


async def until_ready_in(here: Stage, namespace: str, count: int) -> list[str]:
    async with here.clock.timeout(60):
        while len(found := await pods_in(here, namespace)) != count:
            await here.clock.sleep(0.05)
    return found


def test_two_runtimes_of_one_namespace_from_one_template_keep_their_pods_apart() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime("red", replicas=1, sessionsPerPod=1)
            await here.create_runtime("blue", replicas=2, sessionsPerPod=1)
            await until_pods(here, 3)
            for number in range(3):
                await here.create_session(f"s{number}", call="same", runtime="blue")
            running = [await here.until(f"s{number}", lambda s: s.status.phase is Phase.RUNNING) for number in range(2)]
            assert {(session.status.pod_name or "").split("-")[0] for session in running} == {"blue"}
            await here.clock.sleep(10)
            assert (await here.get("s2")).status.phase is Phase.PENDING, "red has a slot, and it is not blue's"
            await here.client.delete(RUNTIMES, NAMESPACE, "red")
            await until_pods(here, 2)
            assert {name.split("-")[0] for name in await live_pods(here)} == {"blue"}

    run_virtual(story())


def test_one_operator_looks_after_all_namespaces_and_limits_hold_in_each() -> None:
    async def story() -> None:
        async with stage() as here:
            for name in BOTH:
                here.server.add_namespace(name)
            here.start_operator(namespace="", lease_namespace="kube-system")
            for name in BOTH:
                await create_runtime(here, name, sessionsPerPod=4, limits={"maxSessionsPerCall": 1})
            async with here.api("team-a") as first, here.api("team-b") as second:
                answers = await asyncio.gather(*(api.start(StartRequest(call_id="c")) for api in (first, second)))
                assert all(isinstance(answer, Started) for answer in answers), "one call id, one session in each"
            for name in BOTH:
                [pod] = await until_ready_in(here, name, 1)
                [session] = (await here.client.list(SESSIONS, Selection(name))).items
                assert session.status.pod_name == pod
            await here.client.delete(RUNTIMES, "team-a", "default")
            await here.clock.sleep(100)
            [kept] = (await here.client.list(SESSIONS, Selection("team-b"))).items
            assert (kept.status.phase, kept.status.attempt) == (Phase.RUNNING, 1)

    run_virtual(story())


def test_two_operators_each_with_a_namespace_of_its_own_never_touch_the_others() -> None:
    async def story() -> None:
        async with stage() as here:
            for name in BOTH:
                here.server.add_namespace(name)
                here.start_operator(name, namespace=name)
                await create_runtime(here, name, replicas=2)
            for name in BOTH:
                await until_ready_in(here, name, 2)
                body = {
                    "apiVersion": names.API_VERSION,
                    "kind": "AgentSession",
                    "metadata": {"name": "s1"},
                    "spec": {"callId": "c"},
                }
                await here.client.create(SESSIONS, name, body)
            await here.clock.sleep(5)
            for name in BOTH:
                session = await here.client.get(SESSIONS, name, "s1")
                assert session.status.phase is Phase.RUNNING
                assert session.status.pod_name in await pods_in(here, name)
            holders = {
                body["metadata"]["namespace"]: body["spec"]["holderIdentity"] for body in here.server.objects("leases")
            }
            assert holders == {name: name for name in BOTH}

    run_virtual(story())


def test_pods_of_others_that_carry_our_label_are_left_alone_and_get_no_session() -> None:
    async def story() -> None:
        async with stage() as here:
            labels = {names.RUNTIME_LABEL: "default"}
            annotations = {names.SLOTS_ANNOTATION: "10"}
            other = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "default", "uid": "u", "controller": True}
            for name, owners in (("bare", []), ("replica", [other])):
                meta = {"name": name, "labels": labels, "annotations": annotations, "ownerReferences": owners}
                await here.client.create(
                    PODS, NAMESPACE, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, **TEMPLATE}
                )
            here.start_operator()
            await here.create_runtime(sessionsPerPod=2)
            await until_pods(here, 3)
            before = {name: await here.client.get(PODS, NAMESPACE, name) for name in ("bare", "replica")}
            places = set()
            for number in range(2):
                await here.create_session(f"s{number}", call=f"c{number}")
                running = await here.until(f"s{number}", lambda s: s.status.phase is Phase.RUNNING)
                places.add(running.status.pod_name)
            assert len(places) == 1
            assert not places & set(before)
            await here.create_session("third", call="c", limits={"startDeadlineSeconds": 10})
            await here.until("third", lambda s: s.ended)
            for number in range(2):
                await here.close(f"s{number}")
            await here.client.delete(RUNTIMES, NAMESPACE, "default")
            await here.clock.sleep(200)
            assert not here.server.objects("agentruntimes"), "they do not hold it up"
            assert {name: await here.client.get(PODS, NAMESPACE, name) for name in before} == before

    run_virtual(story())
