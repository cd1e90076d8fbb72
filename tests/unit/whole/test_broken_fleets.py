"""Fleets whose pods cannot start: each says why, none keeps another from working, and all go on once mended."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.apiserver import Faults, Script, refusal
from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import NAMESPACE, Stage, stage
from tests.unit.whole.test_autoscaling import Creations
from tests.unit.whole.test_fleets import events_of, live_pods, until_pods

from greenroom_core.kube.errors import NotFound
from greenroom_core.kube.kinds import PODS, RUNTIMES
from greenroom_core.model.meta import Condition, find
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason, WaitReason
from greenroom_core.model.session import SCHEDULED

if TYPE_CHECKING:
    from greenroom_core.kube.transport import Answer, Request

QUOTA = 'pods "x" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=3, limited: pods=3'


class Quota(Faults):
    """Of all pods that are asked for, no more than `room` are let through, trials among them or not."""

    def __init__(self, room: int, *, trials: bool) -> None:
        self.room = room
        self.asked = 0
        self._trials = trials

    async def before(self, request: Request) -> Answer | None:
        if request.method != "POST" or not request.path.endswith("/pods") or (request.query and not self._trials):
            return None
        self.asked += 1
        if self.room > 0:
            self.room -= not request.query
            return None
        return refusal(403, "Forbidden", QUOTA)


def template(image: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "agent", "image": image}]}}


async def progressing(here: Stage, name: str = "default") -> Condition:
    runtime = await here.client.get(RUNTIMES, NAMESPACE, name)
    found = find(runtime.status.conditions, "Progressing")
    assert found is not None
    return found


async def show_on_pods(here: Stage, image: str, status: dict[str, Any]) -> None:
    """What scheduler or kubelet would write on the pods of that image."""
    for body in here.server.objects("pods"):
        name = body["metadata"]["name"]
        if body["spec"]["containers"][0]["image"] == image:
            with suppress(NotFound):
                await here.client.merge_patch(PODS, NAMESPACE, name, {"status": status}, subresource="status")


def test_one_that_cannot_start_stops_no_other_and_says_why() -> None:
    async def story() -> None:
        async with stage() as here:
            here.node_refuses = "missing"
            here.start_operator()
            await here.create_runtime("misshapen", template={"spec": {"containers": [{"env": [{"value": "1"}]}]}})
            await here.create_runtime("missing", template=template("missing"))
            await here.clock.sleep(5)
            pulled = {"name": "agent", "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
            await show_on_pods(here, "missing", {"containerStatuses": [pulled]})
            await here.create_runtime()
            await here.create_session("s1")
            await here.until("s1", lambda s: s.status.phase is Phase.RUNNING, seconds=5)
            await here.clock.sleep(10)
            told = {name: await progressing(here, name) for name in ("misshapen", "missing", "default")}
            assert {name: found.reason for name, found in told.items()} == {
                "misshapen": "TemplateInvalid",
                "missing": "PodsNotStarting",
                "default": "Complete",
            }
            assert "spec.template.spec.containers[0].env[0]" in told["misshapen"].message
            assert "ErrImagePull: no such image" in told["missing"].message
            warned = {e.reason for e in await events_of(here) if e.involved_object["name"] in ("misshapen", "missing")}
            assert warned >= {"TemplateInvalid", "PodsNotStarting"}

    run_virtual(story())


@pytest.mark.parametrize("trials", [True, False], ids=["the trial is refused, too", "only real pods are refused"])
def test_a_quota_is_told_tried_ever_less_often_and_the_fleet_grows_once_there_is_room(trials: bool) -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            here.transports[-1].faults = quota = Quota(0 if trials else 1, trials=trials)
            await here.create_runtime(replicas=3, sessionsPerPod=1)
            await here.clock.sleep(300)
            found = await progressing(here)
            assert (found.status.value, found.reason) == ("False", "PodsRefused")
            assert "exceeded quota" in found.message
            assert len(await live_pods(here)) == (0 if trials else 1)
            assert quota.asked < 40, "once a minute in the end"
            if not trials:
                await here.create_session("s1")
                await here.until("s1", lambda s: s.status.phase is Phase.RUNNING, seconds=5)
            quota.room = 3
            await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 3, 70)
            await here.clock.sleep(10)
            assert (await progressing(here)).reason == "Complete"

    run_virtual(story())


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (409, "Conflict"), (500, "InternalError")])
def test_a_deletion_that_is_refused_is_tried_again_with_a_pause_and_in_the_end_done(status: int, reason: str) -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            here.transports[-1].faults = script = Script(here.clock)
            await here.create_runtime(replicas=2)
            await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 2)
            script.add(
                lambda request: request.method == "DELETE",
                40,
                delay_before_seconds=0.01,
                answer=refusal(status, reason),
            )
            await here.client.merge_patch(RUNTIMES, NAMESPACE, "default", {"spec": {"replicas": 1}})
            begun = here.clock.boot()
            await until_pods(here, 1, seconds=60)
            assert here.clock.boot() - begun > (15 if status != 409 else 0.3)

    run_virtual(story())


def test_who_waits_for_pods_that_do_not_start_is_told_why_and_so_is_who_waited_in_vain() -> None:
    async def story() -> None:
        async with stage() as here:
            here.node_refuses = "missing"
            here.start_operator()
            await here.create_runtime(template=template("missing"))
            await here.create_session("waits", limits={"startDeadlineSeconds": 200})
            await here.clock.sleep(20)
            shown = find((await here.get("waits")).status.conditions, SCHEDULED)
            assert shown is not None
            assert (shown.reason, shown.message) == (
                WaitReason.NO_FREE_SLOT,
                "no ready pod of AgentRuntime 'default' has a free slot: 0 of its pods are ready, and it may come to 1",
            )
            unschedulable = {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": "0/3 nodes are available: 3 Insufficient cpu.",
            }
            await show_on_pods(here, "missing", {"conditions": [unschedulable]})
            await here.clock.sleep(80)
            shown = find((await here.get("waits")).status.conditions, SCHEDULED)
            assert shown is not None
            assert shown.reason == WaitReason.PODS_NOT_STARTING
            assert "3 Insufficient cpu" in shown.message
            ended = await here.until("waits", lambda s: s.ended)
            assert ended.status.reason is EndReason.START_DEADLINE
            assert "3 Insufficient cpu" in (ended.status.message or "")

    run_virtual(story())


def test_pods_that_crash_are_replaced_ever_more_slowly_and_one_that_gets_ready_ends_it() -> None:
    async def story() -> None:
        async with stage() as here:
            here.node_refuses = "crashing"
            here.start_operator()
            here.transports[-1].faults = creations = Creations(here)
            await here.create_runtime(replicas=2, template=template("crashing"))
            over = here.clock.boot() + 300
            while here.clock.boot() < over:
                dead = {"terminated": {"exitCode": 3, "reason": "Error"}}
                crashed = {"phase": "Failed", "containerStatuses": [{"name": "agent", "state": dead}]}
                await show_on_pods(here, "crashing", crashed)
                await here.clock.sleep(0.5)
            assert 8 < creations.made < 30
            found = await progressing(here)
            assert (found.reason, "exit code 3 Error" in found.message) == ("PodsFailing", True)
            here.node_refuses = ""
            await here.client.merge_patch(RUNTIMES, NAMESPACE, "default", {"spec": {"template": template("good")}})
            await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 2, 70)
            await here.clock.sleep(10)
            assert (await progressing(here)).reason == "Complete"

    run_virtual(story())
