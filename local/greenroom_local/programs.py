"""Operator and API as pods of the local node: with the accounts, roles and tokens that they have in a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenroom_local.admin import Admin, AdminError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greenroom_core.clock import Clock
    from greenroom_local.node import ProcessNode
    from greenroom_local.node.status import Facts

_RESTART_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program to keep running. `port` is the one that it has to listen on, None for any."""

    name: str
    account: str
    arguments: Sequence[str]
    port: int | None = None

    def pod(self) -> dict[str, Any]:
        port: dict[str, object] = {"name": "http", "containerPort": self.port or 8080}
        container = {
            "name": "main",
            "image": "local-process",
            "command": ["python", "-m", "greenroom_core.cli", *self.arguments],
            "ports": [port | ({"hostPort": self.port} if self.port else {})],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
        }
        spec = {
            "restartPolicy": "Never",
            "serviceAccountName": self.account,
            "terminationGracePeriodSeconds": 10,
            "containers": [container],
        }
        return {"metadata": {"name": self.name}, "spec": spec}


class Keeper:
    """Does for a program what a Deployment of one replica would: a dead pod is replaced."""

    def __init__(self, admin: Admin, node: ProcessNode, clock: Clock, say: Callable[[str], None]) -> None:
        self._admin = admin
        self._node = node
        self._clock = clock
        self._say = say

    async def keep(self, program: Program) -> None:
        """Until cancelled."""
        path = f"/api/v1/namespaces/{self._node.namespace}/pods"
        while True:
            if await self._attempt("POST", path, program.pod()):
                await self._node.until(program.name, _is_over)
                log = self._node.log_file(program.name)
                self._say(f"{program.name} has ended and is started again; its log: {log}")
                await self._attempt("DELETE", f"{path}/{program.name}", {"gracePeriodSeconds": 0})
                await self._node.until(program.name, _is_gone)
            await self._clock.sleep(_RESTART_SECONDS)

    async def _attempt(self, method: str, path: str, body: object) -> bool:
        try:
            await self._admin.request(method, path, body)
        except AdminError as error:
            self._say(str(error))
            return False
        return True


def _is_over(facts: Facts | None) -> bool:
    return facts is not None and facts.over


def _is_gone(facts: Facts | None) -> bool:
    return facts is None
