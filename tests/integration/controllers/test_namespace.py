"""A namespace that is deleted with everything in it: its pods go first, and their calls have the drain timeout."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.stack import FleetPlan
from tests.stack.programs import OPERATOR_ACCOUNT, RULES, Launchpad, install_accounts

from greenroom_core.model import names, roles
from greenroom_local.admin import AdminError
from greenroom_local.installation import install_policies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from tests.stack import Stack

pytestmark = [pytest.mark.integration]

FLEET = FleetPlan(pods=2, slots=2, drain_timeout_seconds=5)
GONE_SECONDS = 90.0


async def until_namespace(stack: Stack, holds: Callable[[Mapping[str, Any] | None], Any]) -> None:
    """Until `holds` of its status; None stands for a namespace that is gone."""
    async with asyncio.timeout(GONE_SECONDS):
        while not holds(await _status(stack)):
            await asyncio.sleep(0.2)


async def _status(stack: Stack) -> Mapping[str, Any] | None:
    try:
        found = await stack.plane.admin.request("GET", f"/api/v1/namespaces/{stack.namespace}")
    except AdminError as error:
        if error.status == 404:
            return None
        raise
    return dict(found["status"])


def waits_for_finalizers(status: Mapping[str, Any] | None) -> bool:
    conditions = (status or {}).get("conditions") or ()
    return any(c["type"] == "NamespaceFinalizersRemaining" and c["status"] == "True" for c in conditions)


@asynccontextmanager
async def operator_outside(stack: Stack) -> AsyncIterator[None]:
    """In a namespace of its own, with rights in all of them."""
    home = f"home-of-{stack.namespace}"
    await stack.plane.ensure_namespace(home)
    await install_accounts(stack.plane, home, {OPERATOR_ACCOUNT: RULES[OPERATOR_ACCOUNT]})
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": home}
    subject = {"kind": "ServiceAccount", "name": OPERATOR_ACCOUNT, "namespace": home}
    await stack.plane.admin.create(f"{rbac}/clusterroles", {"metadata": {"name": home}, "rules": list(roles.OPERATOR)})
    await stack.plane.admin.create(
        f"{rbac}/clusterrolebindings", {"metadata": {"name": home}, "subjects": [subject], "roleRef": reference}
    )
    await install_policies(stack.plane.admin, stack.namespace, operator_namespace=home)
    launchpad = Launchpad(stack.plane, home, stack.directory / "home")
    operator = await launchpad.operator(0, "--namespace", stack.namespace, "--lease-namespace", home)
    operator.process.start()
    try:
        await operator.until_ready()
        yield
        assert "Traceback" not in operator.log, operator.log
    finally:
        await operator.process.stop(10.0)


async def a_call_whose_namespace_is_deleted(stack: Stack) -> str:
    await stack.until_pods_ready(2)
    live = (await stack.api.start("live")).session_id
    await stack.until_phase(live, "Running")
    await stack.kubectl.ok("delete", "namespace", stack.namespace, "--wait=false")
    return live


async def until_drained(stack: Stack, live: str) -> None:
    ended = await stack.until_ended(live)
    assert (ended["phase"], ended["reason"]) == ("Closed", "Drained")
    assert [line.event for line in stack.journal.of(live)] == ["built", "joined", "left"]


async def test_with_an_operator_outside_it_goes_by_itself(stacked: Callable[..., Stack]) -> None:
    async with stacked(FLEET, operators=0) as stack, operator_outside(stack):
        stack.judged = False  # the programs' accounts go with the namespace, so they are refused everything
        await until_drained(stack, await a_call_whose_namespace_is_deleted(stack))
        await until_namespace(stack, lambda status: status is None)


async def test_with_the_operator_inside_it_goes_though_that_goes_first(stacked: Callable[..., Stack]) -> None:
    """Its pods are told together with all others: the last that it does is to let go of everything."""
    async with stacked(FLEET) as stack:
        stack.judged = False  # as above
        live = await a_call_whose_namespace_is_deleted(stack)
        await stack.operators[0].process.stop(10.0)
        await until_drained(stack, live)
        await until_namespace(stack, lambda status: status is None)
        assert "Traceback" not in stack.operators[0].log, stack.operators[0].log


async def test_with_an_operator_that_was_killed_it_waits_for_the_way_out_in_the_docs(
    stacked: Callable[..., Stack],
) -> None:
    async with stacked(FLEET) as stack:
        stack.judged = False  # as above
        live = await a_call_whose_namespace_is_deleted(stack)
        await stack.operators[0].process.kill()
        await until_drained(stack, live)
        await until_namespace(stack, waits_for_finalizers)
        [session] = stack.recorder.sessions()
        assert names.LEAVE_CALL in session["metadata"]["finalizers"]
        for found in ("agentruntime/default", f"agentsession/{live}"):
            await stack.kubectl.ok("patch", found, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        await until_namespace(stack, lambda status: status is None)
