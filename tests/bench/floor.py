"""The bare floor: the three writes that any start has to make, from one trivial client, and nothing else.

Create, a merge patch of the status as the operator's bind, a JSON patch of the status as the pod's Running; each sent
when the one before has been answered. Nobody watches and nobody decides.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from tests.stack.programs import install_accounts

from greenroom_core.model import names, roles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from greenroom_local.control_plane import ControlPlane

_ACCOUNT = "floor"
_AT = "2026-01-01T00:00:00.000000Z"


def _condition(type_: str, reason: str, message: str = "") -> dict[str, str]:
    return {"type": type_, "status": "True", "reason": reason, "message": message, "lastTransitionTime": _AT}


class Floor:
    """A namespace that no program looks at. The client has a service account's token and Role, as programs have: an
    administrator's requests pass by authorization and queueing."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._namespace = namespace
        self._path = f"{plane.server_url}/apis/{names.API_VERSION}/namespaces/{namespace}/agentsessions"

    async def __aenter__(self) -> Self:
        await self._plane.ensure_namespace(self._namespace)
        await install_accounts(self._plane, self._namespace, {_ACCOUNT: (*roles.API, *roles.RUNTIME)})
        tls = ssl.create_default_context(cafile=str(self._plane.files.ca))
        token = await self._plane.token(self._namespace, _ACCOUNT)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64, ssl=tls), headers={"Authorization": f"Bearer {token}"}
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def sequential(self, count: int) -> list[float]:
        """Seconds of each start's three writes, one start after the other."""
        await self._start()  # the connection is there, as it is for the programs
        return [await self._start() for _ in range(count)]

    async def at_once(self, count: int) -> tuple[list[float], float]:
        """Seconds of each, all begun together over at most 64 connections; and of the whole."""
        begun = time.monotonic()
        seconds = await asyncio.gather(*(self._start() for _ in range(count)))
        return list(seconds), time.monotonic() - begun

    async def arrivals(self, moments: Sequence[float]) -> list[float]:
        """Seconds of each from its moment on, begun whether or not those before are done."""
        begun = time.monotonic()
        seconds: list[float] = []

        async def arrive(due: float) -> None:
            await self._start()
            seconds.append(time.monotonic() - due)

        async with asyncio.TaskGroup() as group:
            for moment in moments:
                await asyncio.sleep(max(begun + moment - time.monotonic(), 0))
                group.create_task(arrive(begun + moment))
        return seconds

    async def _start(self) -> float:
        begun = time.monotonic()
        name = str(uuid.uuid4())
        spec = {"callId": f"call-{name}", "parameters": {"join_seconds": 0.02}, "ttlSecondsAfterFinished": 3600}
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "AgentSession",
            "metadata": {"name": name, "finalizers": [names.LEAVE_CALL]},
            "spec": spec,
        }
        made = await self._send("POST", self._path, body, "application/json")
        bound = {
            "phase": "Scheduled",
            "podName": "default-1a2b3c-abcde",
            "podUID": str(uuid.UUID(int=1)),
            "attempt": 1,
            "epoch": 1,
            "effective": {"limits": {"startDeadlineSeconds": 60}, "restartPolicy": "Never"},
            "revision": "1a2b3c4d5e",
            "scheduledAt": _AT,
            "conditions": [_condition("Scheduled", "Bound", "bound to pod default-1a2b3c-abcde")],
        }
        patch = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "status": bound}
        await self._send("PATCH", f"{self._path}/{name}/status", patch, "application/merge-patch+json")
        conditions = [*bound["conditions"], _condition("Ready", "AgentBuilt")]  # type: ignore[misc]
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": made["metadata"]["uid"]},
            {"op": "test", "path": "/status/podUID", "value": bound["podUID"]},
            {"op": "test", "path": "/status/attempt", "value": 1},
            {"op": "add", "path": "/status/phase", "value": "Running"},
            {"op": "add", "path": "/status/startedAt", "value": _AT},
            {"op": "add", "path": "/status/conditions", "value": conditions},
        ]
        await self._send("PATCH", f"{self._path}/{name}/status", operations, "application/json-patch+json")
        return time.monotonic() - begun

    async def _send(self, method: str, url: str, body: Any, content_type: str) -> Any:
        data = json.dumps(body).encode()
        async with self._http.request(method, url, data=data, headers={"Content-Type": content_type}) as response:
            answer = await response.read()
            assert response.status < 300, answer
            return json.loads(answer)
