"""An AgentRuntime and its pods: scaled, broken, replaced, rolled over; and the same operator under `kopf run`."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.invariants import events
from tests.invariants.events import Kind
from tests.stack import FleetPlan, Stack
from tests.stack.kubectl import manifest, session
from tests.stack.meters import samples
from tests.stack.programs import OPERATOR_ACCOUNT, Program

from greenroom_core.clock import SystemClock
from greenroom_core.model import names
from greenroom_local.children import ChildProcess, Command
from greenroom_local.ports import LOOPBACK, free_ports
from greenroom_operator.metrics import FLEET_SERIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

FLEET = FleetPlan(pods=1, slots=2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    async with Stack(control_plane, tmp_path_factory.mktemp("fleet"), [FLEET]) as stack:
        yield stack


async def runtime_status(stack: Stack, name: str, holds: Any) -> Mapping[str, Any]:
    """The AgentRuntime's status as soon as `holds` of it and its conditions' reasons."""
    path = f"/apis/{names.API_VERSION}/namespaces/{stack.namespace}/agentruntimes/{name}"
    clock = SystemClock()
    async with clock.timeout(150):  # a pod too many stays for a minute after its last session
        while True:
            status = (await stack.plane.admin.request("GET", path)).get("status", {})
            reasons = {c["type"]: c["reason"] for c in status.get("conditions") or ()}
            if holds(status, reasons):
                return dict(status)
            await clock.sleep(0.1)


async def test_kubectl_scales_it_and_its_status_follows(stack: Stack) -> None:
    await stack.kubectl.ok("scale", "agentruntime/default", "--replicas=2")
    await stack.until_pods_ready(2)
    status = await runtime_status(stack, "default", lambda s, _: s.get("readyPods") == 2)
    assert (status["slots"], status["freeSlots"], status["sessions"]) == (4, 4, 0)
    await stack.kubectl.ok("scale", "agentruntime/default", "--replicas=1")
    await stack.until_pods_ready(1)


async def test_a_new_template_brings_new_pods_and_leaves_the_call_in_the_old_one(stack: Stack) -> None:
    await stack.apply_fleet(FLEET)
    [old] = await stack.until_pods_ready(1)
    talking = (await stack.api.start("through-the-rollout")).session_id
    await stack.apply_fleet(replace(FLEET, environment={"RELEASE": "two"}))
    await stack.recorder.until(lambda: set(stack.open_pods()) - {old}, 30, "a pod of the new revision")
    [new] = set(stack.open_pods()) - {old}
    later = (await stack.api.start("after-the-rollout")).session_id
    assert events.status(await stack.until_phase(later, "Running"))["podName"] == new
    still = events.status(await stack.until_phase(talking, "Running"))
    assert (still["podName"], still["attempt"]) == (old, 1)
    assert still["revision"] != events.status(await stack.until_phase(later, "Running"))["revision"]
    for call, name in (("through-the-rollout", talking), ("after-the-rollout", later)):
        assert (await stack.api.close(call, name)).status == 202


async def test_an_autoscaled_fleet_grows_from_nothing_for_those_who_wait(stack: Stack) -> None:
    scaling = {"minPods": 0, "maxPods": 2, "bufferSessions": 0}
    await stack.apply_fleet(FleetPlan(name="elastic", slots=1, autoscaling=scaling))
    await runtime_status(stack, "elastic", lambda s, reasons: reasons.get("Progressing") == "Complete")
    started = await asyncio.gather(*(stack.api.start(f"elastic-{n}", runtime="elastic") for n in range(2)))
    assert [answer.status for answer in started] == [201, 201]
    status = await runtime_status(stack, "elastic", lambda s, _: s.get("sessions") == 2)
    assert (status["pods"], status["slots"], status["freeSlots"]) == (2, 2, 0)
    for number, answer in enumerate(started):
        assert (await stack.api.close(f"elastic-{number}", answer.session_id)).status == 202
        await stack.until_ended(answer.session_id)


async def test_a_template_that_the_server_refuses_is_said_and_makes_no_pod(stack: Stack) -> None:
    body = FleetPlan(name="broken").body(stack.journal.path)
    body["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"name": "not a port name", "containerPort": 0}]
    path = f"/apis/{names.API_VERSION}/namespaces/{stack.namespace}/agentruntimes"
    await stack.plane.admin.create(path, body)
    status = await runtime_status(stack, "broken", lambda _, r: r.get("Progressing") == "TemplateInvalid")
    [message] = [c["message"] for c in status["conditions"] if c["type"] == "Progressing"]
    assert "containerPort" in message
    assert (status["pods"], stack.open_pods("broken")) == (0, [])


async def test_pods_that_cannot_start_are_counted_and_stop_nobody_else(stack: Stack) -> None:
    fleet = FleetPlan(name="dying", pods=1, agent=Path("/nowhere/agent.py"))
    await stack.apply_fleet(fleet)
    status = await runtime_status(stack, "dying", lambda _, r: r.get("Progressing") == "PodsFailing")
    assert {c["type"]: c["status"] for c in status["conditions"]} == {"Available": "False", "Progressing": "False"}
    answer = await stack.api.start("meanwhile")
    assert answer.status == 201
    await stack.api.close("meanwhile", answer.session_id)


async def test_a_deleted_runtime_waits_for_its_call_and_goes_after_its_last_pod(stack: Stack) -> None:
    plan = FleetPlan(name="leaving", pods=2, slots=2)
    await stack.apply_fleet(plan)
    await stack.until_pods_ready(2, "leaving")
    started = await stack.api.start("last-call", runtime="leaving")
    held = events.status(await stack.until_phase(started.session_id, "Running"))["podName"]
    await stack.kubectl.ok("delete", "agentruntime/leaving", "--wait=false")
    await stack.recorder.until(lambda: stack.open_pods("leaving") == [held], 30, "the idle pod gone")
    status = await runtime_status(stack, "leaving", lambda s, r: (s["pods"], r.get("Progressing")) == (1, "Deleting"))
    [message] = [c["message"] for c in status["conditions"] if c["type"] == "Progressing"]
    assert message.endswith("1 session to go")
    assert status["freeSlots"] == 0, "the other slot of the pod is for nobody"

    again = await stack.kubectl.run("create", "-f", "-", given=manifest(plan.body(stack.journal.path)))
    assert (again.status, "AlreadyExists" in again.err) == (1, True), again.err
    await stack.kubectl.apply(session("late", "late-call", runtime="leaving", limits={"startDeadlineSeconds": 5}))
    late = await stack.until_ended("late")
    assert (late["reason"], late.get("attempt", 0)) == ("StartDeadline", 0)
    assert "is being deleted" in late["message"]
    shown = await stack.kubectl.ok("describe", "agentruntime/leaving")
    assert "takes no new session" in shown.split("Events:")[1], shown

    alive = events.status(await stack.until_phase(started.session_id, "Running"))
    assert (alive["podName"], alive["attempt"]) == (held, 1)
    await stack.api.close("last-call", started.session_id)
    assert (await stack.until_ended(started.session_id))["reason"] == "CloseRequested"
    await stack.recorder.until(lambda: stack.recorder.runtime("leaving") is None, 30, "the AgentRuntime gone")
    await stack.recorder.until(lambda: not pods_of(stack, "leaving"), 30, "its pods gone")
    gone = [event for event in stack.recorder.events if event.gone and belongs(event.body, "leaving")]
    assert [event.kind for event in gone].count(Kind.POD) == 2
    assert max(gone, key=lambda event: event.version).kind is Kind.RUNTIME, "its owner outlived both pods"

    await stack.apply_fleet(plan)
    await stack.until_pods_ready(2, "leaving")
    await stack.kubectl.ok("delete", "agentruntime/leaving", "--timeout=30s")
    await stack.recorder.until(lambda: not pods_of(stack, "leaving"), 30, "its pods gone")


async def test_kubectl_scale_of_an_autoscaled_fleet_says_what_sizes_it(stack: Stack) -> None:
    await stack.apply_fleet(FleetPlan(name="by-itself", slots=1, autoscaling={"minPods": 0, "maxPods": 1}))
    done = await stack.kubectl.run("scale", "agentruntime/by-itself", "--replicas=3")
    assert done.status == 1
    assert "minPods and maxPods size what is autoscaled" in done.err


async def test_the_scale_subresource_names_the_pods_for_other_autoscalers(stack: Stack) -> None:
    await runtime_status(stack, "default", lambda s, _: s.get("readyPods"))
    path = f"/apis/{names.API_VERSION}/namespaces/{stack.namespace}/agentruntimes/default/scale"
    scale = await stack.plane.admin.request("GET", path)
    selector = f"--selector={scale['status']['selector']}"
    selected = {
        name.removeprefix("pod/") for name in (await stack.kubectl.ok("get", "pods", "-oname", selector)).split()
    }
    assert selected >= set(stack.open_pods()) > set()
    assert selected <= {events.name(pod) for pod in stack.recorder.pods() if belongs(pod, "default")}
    assert scale["spec"] == {"replicas": 1}


async def test_metrics_tell_of_each_fleet(stack: Stack) -> None:
    await runtime_status(stack, "default", lambda s, r: s.get("readyPods") == 1 and r.get("Progressing") == "Complete")
    mine = {"namespace": stack.namespace, "runtime": "default"}

    async def figures() -> dict[str, list[float]]:
        page = await stack.operators[0].metrics()
        found = {name: [value for labels, value in samples(page, name) if labels == mine] for name in FLEET_SERIES}
        assert all(len(values) == 1 for values in found.values()), found
        return found

    # The status is up to five seconds older than the figures: a pod that it counts may just have gone.
    wanted = {"greenroom_fleet_ready_pods": [1.0], "greenroom_fleet_slots": [float(FLEET.slots)]}
    async with asyncio.timeout(60):
        while not wanted.items() <= (found := await figures()).items():
            await asyncio.sleep(0.2)
    assert found["greenroom_fleet_desired_pods"] == [1.0]


async def test_kubectl_explains_a_wait_in_vain_and_shows_revisions(stack: Stack) -> None:
    await stack.apply_fleet(FleetPlan(name="hopeless", pods=1, agent=Path("/nowhere/agent.py")))
    await runtime_status(stack, "hopeless", lambda _, r: r.get("Progressing") == "PodsFailing")
    await stack.kubectl.apply(session("in-vain", "c", runtime="hopeless", limits={"startDeadlineSeconds": 4}))
    assert (await stack.until_ended("in-vain"))["reason"] == "StartDeadline"
    why = "no ready pod of AgentRuntime 'hopeless' has a free slot: PodsFailing: pods end before they are ready"
    shown = await stack.kubectl.ok("describe", "agentsession/in-vain")
    state, told = shown.split("Events:")
    assert f"no slot in 4 s: {why}" in " ".join(state.split())
    assert "PodsNotStarting" in told
    assert "StartDeadline" in told
    assert why in told
    told = (await stack.kubectl.ok("describe", "agentruntime/hopeless")).split("Events:")[1]
    assert "PodsFailing" in told
    head, row = (await stack.kubectl.ok("get", "agentruntime/hopeless")).splitlines()
    assert (head.split()[-2], row.split()[-2]) == ("STATE", "PodsFailing")

    started = await stack.api.start("shown")
    wide = await stack.kubectl.ok("get", "agentsessions", started.session_id, "-o", "wide")
    assert events.status(await stack.until_phase(started.session_id, "Running"))["revision"] in wide
    await stack.api.close("shown", started.session_id)


def belongs(body: Mapping[str, Any], runtime: str) -> bool:
    return events.label(body, names.RUNTIME_LABEL) == runtime or events.name(body) == runtime


def pods_of(stack: Stack, runtime: str) -> list[str]:
    return [events.name(pod) for pod in stack.recorder.pods() if belongs(pod, runtime)]


async def test_kopf_run_is_the_same_operator(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with Stack(control_plane, tmp_path_factory.mktemp("kopf"), [FLEET], operators=0) as stack:
        (port,) = free_ports(1)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(stack.directory),
            "GREENROOM_NAMESPACE": stack.namespace,
            "GREENROOM_HOST": LOOPBACK,
            "GREENROOM_PORT": str(port),
            **await stack.launchpad.account("kopf-run", OPERATOR_ACCOUNT),
        }
        words = [str(Path(sys.executable).with_name("kopf")), "run", "--standalone"]
        words += ["-m", "greenroom_operator.app", "--namespace", stack.namespace]
        command = Command("kopf", words, environment, stack.directory / "logs" / "kopf.log")
        program = Program("kopf", ChildProcess(command, SystemClock()), port)
        program.process.start()
        try:
            await program.until_ready()
            await stack.until_pods_ready(1)
            answer = await stack.api.start("by-kopf-run")
            assert answer.status == 201
            await stack.api.close("by-kopf-run", answer.session_id)
            assert (await stack.until_ended(answer.session_id))["reason"] == "CloseRequested"
        finally:
            exit_code = await program.process.stop(10.0)
        assert "Traceback" not in program.log, program.log
        assert exit_code == 0, program.log
