"""All of Greenroom on one machine: control plane, node, operator, API, one runtime; up and down together."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenroom_core.clock import Clock, SystemClock
from greenroom_core.model import names
from greenroom_local import installation
from greenroom_local.control_plane import ControlPlane
from greenroom_local.node import ProcessNode
from greenroom_local.node.node import default_environment
from greenroom_local.ports import LOOPBACK, is_taken
from greenroom_local.programs import Keeper, Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from greenroom_local.binaries import Binaries
    from greenroom_local.node.status import Facts

NAMESPACE = "default"
OPERATOR = "greenroom-operator"
API = "greenroom-api"

_READY_SECONDS = 120.0
_POLL_SECONDS = 0.25
_END_OF_LOG_LINES = 12
_KEPT_SETTINGS = (
    *("GREENROOM_LOG_LEVEL", "GREENROOM_LOG_FORMAT"),
    *("GREENROOM_TURN_URL", "GREENROOM_TURN_USERNAME", "GREENROOM_TURN_CREDENTIAL"),
)


class StackError(Exception):
    """It does not come up; the message is for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to bring up. `directory` gets everything that is written; `agent` is the user's agent file."""

    binaries: Binaries
    directory: Path
    agent: Path
    port: int = 8000
    pods: int = 1
    slots: int = 10
    agent_environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stack:
    """What is up."""

    plane: ControlPlane
    node: ProcessNode
    clock: Clock
    api_url: str


@contextlib.asynccontextmanager
async def running(plan: Plan, say: Callable[[str], None]) -> AsyncIterator[Stack]:
    """Everything is ready inside and has ended after. `say` gets a line for each step. Raises StackError."""
    _check(plan)
    clock = SystemClock()
    say(f"starting etcd {plan.binaries.etcd_version} and kube-apiserver {plan.binaries.kubernetes_version}")
    async with ControlPlane(plan.binaries, plan.directory) as plane:
        await installation.install_resources(plane.admin, clock)
        await installation.install_accounts(plane.admin, NAMESPACE)
        await installation.install_policies(plane.admin, NAMESPACE)
        node = ProcessNode(plane, NAMESPACE, plan.directory, base_environment=_environment(os.environ))
        async with node, asyncio.TaskGroup() as group:
            stack = Stack(plane, node, clock, f"http://{LOOPBACK}:{plan.port}")
            keeper = Keeper(plane.admin, node, clock, say)
            kept = [group.create_task(keeper.keep(program)) for program in _programs(plan)]
            try:
                await _come_up(stack, plan, say)
                yield stack
            finally:
                for task in kept:
                    task.cancel()


def _check(plan: Plan) -> None:
    if not plan.agent.is_file():
        raise StackError(f"there is no agent file {plan.agent}: name one with AGENT=path/to/agent.py")
    if is_taken(plan.port):
        raise StackError(f"port {plan.port} is taken: choose another with PORT={plan.port + 1}")


def _programs(plan: Plan) -> tuple[Program, Program]:
    here = ("--namespace", NAMESPACE, "--host", LOOPBACK)
    return (
        Program(OPERATOR, installation.OPERATOR_ACCOUNT, ("operator", *here)),
        Program(
            API, installation.API_ACCOUNT, ("api", *here, "--port", str(plan.port), "--talk-page", "true"), plan.port
        ),
    )


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """An agent may need the keys of this shell, but nothing may look like a cluster, or like settings of a pod."""
    kept = {
        name: value
        for name, value in own.items()
        if name in _KEPT_SETTINGS or not name.startswith(("KUBE", "GREENROOM_", "MAKE", "MFLAGS"))
    }
    return kept | {"PATH": default_environment(own)["PATH"], "PYTHONUNBUFFERED": "1"}


async def _come_up(stack: Stack, plan: Plan, say: Callable[[str], None]) -> None:
    try:
        async with stack.clock.timeout(_READY_SECONDS):
            say("starting the operator and the API")
            for program in (OPERATOR, API):
                await _until_ready(stack.node, program)
            say(f"starting {_count(plan.pods, 'runtime pod')} of {_count(plan.slots, 'slot')}: {plan.agent.name}")
            await _start_runtime(stack, plan)
    except TimeoutError:
        raise StackError(f"not ready after {_READY_SECONDS:.0f} s; the logs are in {stack.node.logs}") from None


async def _until_ready(node: ProcessNode, pod_name: str) -> None:
    def ready_or_over(facts: Facts | None) -> bool:
        return facts is not None and (facts.ready or facts.over)

    await node.until(pod_name, ready_or_over)
    if (facts := node.facts(pod_name)) is not None and facts.over:
        raise StackError(f"{pod_name} does not start:\n{_end_of_log(node, pod_name)}")


async def _start_runtime(stack: Stack, plan: Plan) -> None:
    body = installation.runtime(
        pods=plan.pods,
        slots=plan.slots,
        command=("python", str(plan.agent.resolve()), "runtime"),
        environment=plan.agent_environment,
    )
    path = installation.runtime_path(NAMESPACE)
    await stack.plane.admin.apply(path, body)
    while (await stack.plane.admin.request("GET", path)).get("status", {}).get("readyPods", 0) < plan.pods:
        await _check_pods(stack, plan)
        await stack.clock.sleep(_POLL_SECONDS)


async def _check_pods(stack: Stack, plan: Plan) -> None:
    for pod in await runtime_pods(stack):
        if pod["status"].get("phase") in ("Failed", "Succeeded"):
            log = _end_of_log(stack.node, pod["metadata"]["name"])
            raise StackError(f"the runtime pod of {plan.agent} has ended:\n{log}")


async def runtime_pods(stack: Stack) -> list[dict[str, Any]]:
    """The pods of the runtime, as they are now."""
    query = f"labelSelector={names.RUNTIME_LABEL}%3D{names.DEFAULT_RUNTIME}"
    found = await stack.plane.admin.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?{query}")
    pods: list[dict[str, Any]] = found["items"]
    return pods


def _end_of_log(node: ProcessNode, pod_name: str) -> str:
    log = node.log_file(pod_name)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join([*lines[-_END_OF_LOG_LINES:], f"(all of it: {log})"])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
