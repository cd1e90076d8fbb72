"""A mounted token is replaced and the old one dies: the programs have changed over before, watches included."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.stack import FleetPlan, Stack
from tests.stack.programs import API_ACCOUNT, OPERATOR_ACCOUNT

if TYPE_CHECKING:
    from pathlib import Path

    from greenroom_local.control_plane import ControlPlane

pytestmark = pytest.mark.integration

STOP_SECONDS = 30.0
RENEWED_SECONDS = 30.0
DEAD_SECONDS = 60.0
"""The API server remembers for some seconds that a token was good."""


class Mount:
    """The token of one program, bound to an object that can be deleted; each new one comes as the kubelet writes it."""

    def __init__(self, plane: ControlPlane, namespace: str, account: str, folder: Path) -> None:
        self._admin = plane.admin
        self._core = f"/api/v1/namespaces/{namespace}"
        self._account = account
        self._folder = folder
        self._made = 0

    async def replace(self) -> tuple[str, str]:
        """The new token, and the path of what it stands and falls with."""
        self._made += 1
        name = f"{self._account}-{self._made}"
        secret = await self._admin.request("POST", f"{self._core}/secrets", {"metadata": {"name": name}})
        bound = {"apiVersion": "v1", "kind": "Secret", "name": name, "uid": secret["metadata"]["uid"]}
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 600, "boundObjectRef": bound},
        }
        answer = await self._admin.request("POST", f"{self._core}/serviceaccounts/{self._account}/token", request)
        token = str(answer["status"]["token"])
        fresh = self._folder / ".token"
        fresh.write_text(token)
        fresh.rename(self._folder / "token")
        return token, f"{self._core}/secrets/{name}"

    async def dies(self, token: str, holder: str) -> None:
        """Returns when the API server knows it no more."""
        await self._admin.request("DELETE", holder)
        async with asyncio.timeout(DEAD_SECONDS):
            while await self._alive(token):
                await asyncio.sleep(0.2)

    async def _alive(self, token: str) -> bool:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        answer = await self._admin.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
        return bool(answer["status"].get("authenticated"))


async def test_programs_go_on_with_a_new_token_without_being_refused_once(
    control_plane: ControlPlane, installed_crds: None, tmp_path: Path
) -> None:
    async with Stack(control_plane, tmp_path, [FleetPlan(pods=1)], relayed=True) as stack:
        mounts = [
            Mount(stack.plane, stack.namespace, account, stack.directory / f"{program.name}-account")
            for account, program in ((OPERATOR_ACCOUNT, stack.operators[0]), (API_ACCOUNT, stack.apis[0]))
        ]
        old = [await mount.replace() for mount in mounts]
        for program in (*stack.operators, *stack.apis):  # what they begin with is to die
            await program.process.stop(STOP_SECONDS)
            program.process.start()
            await program.until_ready()
        await renewed(stack)
        before = await stack.api.start("before")
        await renewed(stack)
        for mount in mounts:
            await mount.replace()
        during = await stack.api.start("during")
        await renewed(stack)
        for mount, (token, holder) in zip(mounts, old, strict=True):
            await mount.dies(token, holder)
        after = await stack.api.start("after")
        stack.relay.cut()
        again = await stack.api.start("again")
        await stack.apply_fleet(FleetPlan(name="second", pods=1))
        await stack.until_pods_ready(1, "second")
        assert [answer.status for answer in (before, during, after, again)] == [201] * 4
        # Leaving the stack counts what was refused: not one 401.


async def renewed(stack: Stack) -> None:
    """The operator has written its Lease since, whatever else it had to write."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{stack.namespace}/leases/greenroom-operator"

    async def renewal() -> Any:
        return (await stack.plane.admin.request("GET", path))["spec"]["renewTime"]

    first = await renewal()
    async with asyncio.timeout(RENEWED_SECONDS):
        while await renewal() == first:
            await asyncio.sleep(0.1)
