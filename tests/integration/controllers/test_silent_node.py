"""A node that falls silent: its calls go on, and are given up only once its pods are certainly over."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.invariants import Tolerance, assert_holds, events
from tests.stack import FleetPlan
from tests.stack.relay import Relay

from greenroom_local.node import ProcessNode

from .conftest import NODE_REPORTS_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractContextManager

    from tests.stack import Stack

pytestmark = [pytest.mark.integration]

# The judge does not know which slots are on a silent node.
SILENT = Tolerance(quiet_seconds=150.0, longest_seconds=150.0)
AT_ONCE = [
    {"key": f"node.kubernetes.io/{word}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
    for word in ("unreachable", "not-ready")
]
"""The default is five minutes."""
UNREACHABLE = "node.kubernetes.io/unreachable"


class FarNode:
    """A node that reaches the API server, with all its pods, through a network that can be cut."""

    def __init__(self, stack: Stack, node: ProcessNode, relay: Relay) -> None:
        self._stack = stack
        self._relay = relay
        self.node = node

    def silent(self) -> AbstractContextManager[None]:
        """Nothing comes through while the block runs."""
        return self._relay.away()

    async def until_tainted(self, tainted: bool) -> None:
        path = f"/api/v1/nodes/{self.node.name}"
        async with asyncio.timeout(40):
            while True:
                taints = (await self._stack.plane.admin.request("GET", path))["spec"].get("taints") or ()
                if any(taint["key"] == UNREACHABLE and taint["effect"] == "NoExecute" for taint in taints) == tainted:
                    return
                await asyncio.sleep(0.1)


@asynccontextmanager
async def far_node(stack: Stack) -> AsyncIterator[FarNode]:
    """It takes the pods that are made while the stack's own node is cordoned."""
    async with (
        Relay(stack.plane.port) as relay,
        ProcessNode(
            stack.plane,
            stack.namespace,
            stack.directory / "far",
            name=f"far-{stack.namespace}",
            api_server_port=relay.port,
            own_port=relay.port,
            report_seconds=NODE_REPORTS_SECONDS,
        ) as node,
    ):
        yield FarNode(stack, node, relay)


@asynccontextmanager
async def call_far_away(
    stack: Stack, fleet: FleetPlan, *calls: Mapping[str, Any]
) -> AsyncIterator[tuple[FarNode, str, list[str]]]:
    """The far node, its only pod, and the sessions in it; another pod is on the node nearby, as new ones will be."""
    async with far_node(stack) as far:
        await stack.kubectl.ok("cordon", stack.node.name)
        await stack.apply_fleet(fleet)
        [pod] = await stack.until_pods_ready(1, fleet.name)
        sessions = [
            (await stack.api.start(f"call-{number}", runtime=fleet.name, **call)).session_id
            for number, call in enumerate(calls)
        ]
        for session in sessions:
            assert events.status(await stack.until_phase(session, "Running"))["podName"] == pod
        await stack.kubectl.ok("uncordon", stack.node.name)
        await stack.apply_fleet(replace(fleet, pods=2))
        await stack.until_pods_ready(2, fleet.name)
        yield far, pod, sessions


def ready(stack: Stack, pod: str) -> bool:
    body = stack.recorder.pod(pod)
    found = events.condition(body, "Ready") if body is not None else None
    return found is not None and found["status"] == "True"


async def until_deleted(stack: Stack, pod: str) -> datetime:
    """When its process is to be over."""

    def deleted_at() -> str | None:
        body = stack.recorder.pod(pod)
        return body["metadata"].get("deletionTimestamp") if body is not None else None

    return datetime.fromisoformat(await stack.recorder.until(deleted_at, 30, "the pod deleted"))


def told(stack: Stack, session: str) -> list[str]:
    return [line.event for line in stack.journal.of(session)]


async def test_a_node_that_comes_back_in_time_ends_no_call(stacked: Callable[..., Stack]) -> None:
    """Five minutes are the default; the pods are not even deleted."""
    async with stacked(tolerance=SILENT) as stack, call_far_away(stack, FleetPlan(pods=1), {}) as (far, pod, [live]):
        with far.silent():
            await far.until_tainted(True)
            await stack.recorder.until(lambda: not ready(stack, pod), 20, "the pod not ready any more")
            new = (await stack.api.start("new")).session_id
            assert events.status(await stack.until_phase(new, "Running"))["podName"] != pod
        await far.until_tainted(False)
        await stack.recorder.until(lambda: ready(stack, pod), 20, "the pod ready again")
        held = events.status(await stack.until_phase(live, "Running"))
        assert (held["podName"], held["attempt"], told(stack, live)) == (pod, 1, ["built", "joined"])
        await stack.request_close(live)
        assert (await stack.until_ended(live))["reason"] == "CloseRequested"


async def test_a_node_that_comes_back_to_deleted_pods_lets_them_finish(stacked: Callable[..., Stack]) -> None:
    fleet = FleetPlan(pods=1, drain_timeout_seconds=60, pod={"tolerations": AT_ONCE})
    call = {"parameters": {"finish_seconds": 30}}
    async with stacked(tolerance=SILENT) as stack, call_far_away(stack, fleet, call) as (far, pod, [live]):
        with far.silent():
            await until_deleted(stack, pod)
        assert (await stack.until_ended(live, seconds=40))["reason"] == "Finished"
        assert told(stack, live) == ["built", "joined", "left"]
        await stack.recorder.until(lambda: stack.recorder.pod(pod) is None, 20, "the pod gone")


async def test_a_pod_on_a_silent_node_is_lost_a_minute_after_it_should_be_over(stacked: Callable[..., Stack]) -> None:
    """Then, and no sooner, its calls fail or begin anew elsewhere. The pod lives on, and ends when it hears of that."""
    fleet = FleetPlan(pods=1, drain_timeout_seconds=1, pod={"tolerations": AT_ONCE})
    calls = ({}, {"restart_policy": "OnPodLoss"})
    async with stacked(tolerance=SILENT) as stack, call_far_away(stack, fleet, *calls) as (far, pod, [never, again]):
        with far.silent():
            over_at = await until_deleted(stack, pod)
            new = (await stack.api.start("new")).session_id
            assert events.status(await stack.until_phase(new, "Running"))["podName"] != pod
            ended = await stack.until_ended(never, seconds=120)
            assert (ended["phase"], ended["reason"]) == ("Failed", "PodLost")
            assert 60 <= (datetime.fromisoformat(ended["endedAt"]) - over_at).total_seconds() < 75
            moved = await stack.until(again, lambda body: events.attempt(body) == 2 and events.phase(body) == "Running")
            assert events.status(moved)["podName"] != pod
            assert told(stack, never) == ["built", "joined"], "the agent knows of nothing"
        await stack.recorder.until(lambda: stack.recorder.pod(pod) is None, 40, "the lost pod gone")
        assert told(stack, never) == ["built", "joined", "left"]
        assert sorted(told(stack, again)) == ["built", "built", "joined", "joined", "left"]
        assert events.status(await stack.until_phase(again, "Running"))["attempt"] == 2
        await stack.settle()
        assert_holds(stack.recorder.events, SILENT)
        # Two agents of one session at a time, as has to be where a pod is given up: not for the stack to judge.
        stack.judged = False
