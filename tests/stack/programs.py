"""Operator and API as processes with the credentials of a pod: a service account's token, and nothing else."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from tests.stack.fleet import RUNTIME_ACCOUNT

from greenroom_core.clock import SystemClock
from greenroom_core.model import roles
from greenroom_local.children import ChildProcess, Command
from greenroom_local.ports import LOOPBACK, free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from greenroom_local.control_plane import ControlPlane

OPERATOR_ACCOUNT = "greenroom-operator"
API_ACCOUNT = "greenroom-api"
RULES = {
    OPERATOR_ACCOUNT: (*roles.OPERATOR, *roles.OPERATOR_LEASE),
    API_ACCOUNT: roles.API,
    RUNTIME_ACCOUNT: roles.RUNTIME,
}
CLUSTER_RULES = {OPERATOR_ACCOUNT: roles.OPERATOR_NODES, API_ACCOUNT: roles.API_REVIEWS}
_READY_SECONDS = 60.0


async def install_accounts(
    plane: ControlPlane, namespace: str, accounts: Mapping[str, Sequence[roles.Rule]] = RULES
) -> None:
    """Each account with exactly its Role; returns when the API server has taken them in."""
    core = f"/api/v1/namespaces/{namespace}"
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    for account, rules in accounts.items():
        meta = {"name": account}
        await plane.admin.create(f"{core}/serviceaccounts", {"metadata": meta})
        await plane.admin.create(f"{rbac}/roles", {"metadata": meta, "rules": list(rules)})
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account}
        await plane.admin.create(
            f"{rbac}/rolebindings", {"metadata": meta, "subjects": [subject], "roleRef": reference}
        )
        if account in CLUSTER_RULES:
            await allow_cluster_wide(plane, namespace, account)
    for account, rules in accounts.items():
        await _until_allowed(plane, namespace, account, rules[-1])
        if account in CLUSTER_RULES:
            await _until_allowed(plane, "", account, CLUSTER_RULES[account][-1], home=namespace)


async def allow_cluster_wide(plane: ControlPlane, namespace: str, account: str) -> None:
    """Its ClusterRole and binding, named by the namespace, too: each stack has its own."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    meta = {"name": f"{namespace}-{account}"}
    await plane.admin.create(f"{rbac}/clusterroles", {"metadata": meta, "rules": list(CLUSTER_RULES[account])})
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **meta}
    await plane.admin.create(
        f"{rbac}/clusterrolebindings", {"metadata": meta, "subjects": [subject], "roleRef": reference}
    )


async def _until_allowed(
    plane: ControlPlane, namespace: str, account: str, rule: roles.Rule, *, home: str = ""
) -> None:
    resource, _, subresource = rule["resources"][-1].partition("/")
    attributes = {
        "namespace": namespace,
        "verb": rule["verbs"][-1],
        "group": rule["apiGroups"][0],
        "resource": resource,
        "subresource": subresource,
    }
    user = f"system:serviceaccount:{home or namespace}:{account}"
    review = {"spec": {"user": user, "resourceAttributes": attributes}}
    async with asyncio.timeout(_READY_SECONDS):
        while True:
            answer = await plane.admin.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
            if answer["status"]["allowed"]:
                return
            await asyncio.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Program:
    """One process with an HTTP port. `process` may be suspended, killed and started again."""

    name: str
    process: ChildProcess
    port: int

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def log(self) -> str:
        path = self.process.command.log_file
        return path.read_text(errors="replace") if path.exists() else ""

    async def until_ready(self) -> None:
        try:
            async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as session:
                while not await self._answers(session, "/ready"):
                    assert self.process.running, (
                        f"{self.name} has ended with {self.process.exit_code}:\n{self.process.last_lines(30)}"
                    )
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{self.name} is not ready:\n{self.process.last_lines(30)}") from None

    async def metrics(self) -> str:
        """Its Prometheus page."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as response:
            return await response.text()

    async def _answers(self, session: aiohttp.ClientSession, path: str) -> bool:
        try:
            async with session.get(self.url + path) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


class Launchpad:
    """Makes programs of one namespace; their files go into `directory`. They reach the API server at
    `api_server_port`."""

    def __init__(self, plane: ControlPlane, namespace: str, directory: Path) -> None:
        self._plane = plane
        self._namespace = namespace
        self._directory = directory
        self.api_server_port = plane.port

    async def operator(self, number: int, *flags: str) -> Program:
        words = ["operator", "--namespace", self._namespace, "--host", LOOPBACK]
        return await self._program(f"operator-{number}", OPERATOR_ACCOUNT, [*words, *flags])

    async def api(self, number: int, *flags: str, variables: Mapping[str, str] | None = None) -> Program:
        words = ["api", "--namespace", self._namespace, "--host", LOOPBACK]
        return await self._program(f"api-{number}", API_ACCOUNT, [*words, *flags], variables=variables)

    async def agent_api(self, number: int, file: Path, *words: str) -> Program:
        """The same API, served by an agent file; `words` are what follows the file's name."""
        program = [str(file), *words, "--namespace", self._namespace, "--host", LOOPBACK]
        return await self._program(f"agent-api-{number}", API_ACCOUNT, program, module=False)

    async def account(self, name: str, account: str) -> dict[str, str]:
        """The environment of a process that has this service account's credentials, as a pod would get them."""
        folder = self._directory / f"{name}-account"
        folder.mkdir(parents=True)
        shutil.copyfile(self._plane.ca_file, folder / "ca.crt")
        (folder / "namespace").write_text(self._namespace)
        (folder / "token").write_text(await self._plane.token(self._namespace, account))
        return {
            "KUBERNETES_SERVICE_HOST": self._plane.host,
            "KUBERNETES_SERVICE_PORT": str(self.api_server_port),
            "GREENROOM_SERVICEACCOUNT_DIR": str(folder),
        }

    async def _program(
        self,
        name: str,
        account: str,
        words: Sequence[str],
        *,
        module: bool = True,
        variables: Mapping[str, str] | None = None,
    ) -> Program:
        (port,) = free_ports(1)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._directory),
            **await self.account(name, account),
            **(variables or {}),
        }
        python = [sys.executable, "-m", "greenroom_core.cli"] if module else [sys.executable]
        command = [*python, *words, "--port", str(port)]
        log_file = self._directory / "logs" / f"{name}.log"
        return Program(name, ChildProcess(Command(name, command, environment, log_file), SystemClock()), port)
