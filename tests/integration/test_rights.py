"""The Roles hold what the programs use, and nothing else: the API server's audit log of a run that has all of it."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
import yaml
from tests.crds import install
from tests.integration.api.test_auth import caller
from tests.integration.runtime.test_own_starts import PROGRAM, Pods
from tests.integration.test_uninstall import ACCOUNT as UNINSTALL_ACCOUNT
from tests.integration.test_uninstall import uninstall
from tests.stack import FleetPlan, Stack
from tests.stack.audit import Audit, Right, granted
from tests.stack.kubectl import session
from tests.stack.programs import CLUSTER_RULES, OPERATOR_ACCOUNT, RULES

from greenroom_core.kube.kinds import RUNTIMES
from greenroom_core.kube.patches import annotation_patch
from greenroom_core.model import roles
from greenroom_core.model.crds import CRD_FOLDER
from greenroom_local.binaries import find_binaries
from greenroom_local.control_plane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stack.programs import Program

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
PROVOKED_SECONDS = 60.0


async def test_each_account_uses_all_of_its_rights_and_is_denied_nothing(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit")
    async with ControlPlane(
        find_binaries(), tmp_path / "plane", unsafe_no_fsync=True, api_server_flags=audit.flags
    ) as plane:
        for path in sorted(CRD_FOLDER.glob("*.yaml")):
            await install(plane.admin, yaml.safe_load(path.read_text()))
        with tempfile.TemporaryDirectory(prefix="gr-") as sockets:  # a socket's path may not be long
            environment = {"PYTHONPATH": str(ROOT), "GREENROOM_TEST_SOCKETS": sockets}
            fleets = [
                FleetPlan(pods=1, slots=2, agent=PROGRAM, environment=environment),
                FleetPlan(name="scripted", pods=1, slots=1),
            ]
            async with Stack(plane, tmp_path, fleets, operators=2, apis=0) as stack:
                stack.judged = False  # pods are killed, and the operator ends before the sessions do
                door = await stack.launchpad.api(9, variables={"GREENROOM_AUTH": "kubernetes"})
                door.process.start()
                try:
                    await door.until_ready()
                    await a_day(stack, Pods(stack, Path(sockets)), door, lambda: audit.used(stack.namespace))
                finally:
                    await door.process.stop(8)
        used, denied = audit.used(stack.namespace), audit.denied(stack.namespace)
    assert denied == set()
    held = {account: granted((*rules, *CLUSTER_RULES.get(account, ()))) for account, rules in RULES.items()}
    held[UNINSTALL_ACCOUNT] = granted(roles.UNINSTALL)
    for account, rights in held.items():
        assert used[account] == rights, f"{account} has what it does not use: {sorted(rights - used[account])}"


async def a_day(stack: Stack, pods: Pods, door: Program, used: Callable[[], dict[str, set[Right]]]) -> None:
    """Everything that a right is for, at least once."""
    await by_rest(stack, door)
    await by_kubectl(stack)
    await by_code_in_a_pod(pods)
    await a_pod_is_killed_and_one_is_too_many(stack)
    await an_agentruntime_changes_under_the_operator_s_hands(stack, used)
    for operator in stack.operators:
        await operator.process.kill()
    # Nobody takes finalizers off now, so the one who sees out has to.
    code, log = await uninstall(stack, drain=0, end=0)
    assert code == 0, log


async def by_rest(stack: Stack, door: Program) -> None:
    """Started, looked at, measured, closed; asked for in vain, refused, and withdrawn since there is no slot."""
    token = await caller(stack.plane, stack.namespace, "caller", ("create", "get", "list", "update"))
    calls = f"{door.url}/calls/by-rest/sessions"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        body = {"runtime": "scripted"}
        async with http.post(calls, json=body) as answer:
            assert answer.status == 201, await answer.text()
            name = (await answer.json())["session_id"]
        async with http.post(calls, json=body | {"limits": {"start_deadline_seconds": 1}}) as answer:
            assert answer.status == 503, await answer.text()
        async with http.post(calls, json={"runtime": "there-is-none"}) as answer:
            assert answer.status == 422, await answer.text()
        async with http.get(f"{calls}/there-is-none") as answer:
            assert answer.status == 404
        async with http.delete(f"{calls}/{name}") as answer:
            assert answer.status == 202
    await stack.until_ended(name)


async def by_kubectl(stack: Stack) -> None:
    """The operator puts the finalizer on, says why one waits, and deletes one whose time is over."""
    await stack.kubectl.apply(session("nobody-s", "c", runtime="there-is-none", ttlSecondsAfterFinished=0))
    await stack.kubectl.apply(session("mine", "c", runtime="scripted", parameters={"finish_seconds": 0.5}))
    assert (await stack.until_ended("mine"))["reason"] == "Finished"
    await stack.recorder.until_session("nobody-s", lambda body: "conditions" in body["status"], 30)
    await stack.request_close("nobody-s")
    await stack.until_gone("nobody-s")
    await stack.kubectl.apply(session("pinned", "c", podName="no-such-pod"))
    assert (await stack.until_ended("pinned"))["reason"] == "PodLost"


async def by_code_in_a_pod(pods: Pods) -> None:
    [pod] = pods.names()
    name = (await pods.start(pod, "own"))["session"]
    assert await pods.ask(pod, "info", call="own", session="there-is-none") == {"info": None}
    assert await pods.ask(pod, "request close", call="own", session=name) == {"known": True}


async def a_pod_is_killed_and_one_is_too_many(stack: Stack) -> None:
    [pod] = stack.open_pods("scripted")
    os.kill(stack.node.pid(pod), signal.SIGKILL)
    await stack.recorder.until(lambda: stack.open_pods("scripted") not in ([], [pod]), 60, "a new pod")
    patch = {"spec": {"replicas": 0}}
    await stack.client.merge_patch(RUNTIMES, stack.namespace, "scripted", patch)
    await stack.recorder.until(lambda: not stack.open_pods("scripted"), 60, "none")


async def an_agentruntime_changes_under_the_operator_s_hands(
    stack: Stack, used: Callable[[], dict[str, set[Right]]]
) -> None:
    """Somebody writes it between the operator's look and its write, which comes back as a conflict."""
    read = Right("get", "agentruntimes")
    async with asyncio.timeout(PROVOKED_SECONDS):
        for number in range(10_000):
            if read in used()[OPERATOR_ACCOUNT]:
                return
            name = f"busy-{number}"
            await stack.client.create(RUNTIMES, stack.namespace, _empty_fleet(name))
            for step in range(10):
                patch = annotation_patch({"example.com/step": str(step)})
                await stack.client.merge_patch(RUNTIMES, stack.namespace, name, patch)
            await stack.client.delete(RUNTIMES, stack.namespace, name)


def _empty_fleet(name: str) -> dict[str, object]:
    body = FleetPlan(name=name).body(Path("/dev/null"))
    body["spec"]["replicas"] = 0
    return body
