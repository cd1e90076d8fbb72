"""What people do with kubectl, at once and without faults: the day's own hands at the API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from tests.simulation.programs import NAMESPACE

from greenroom_core.kube.kinds import PODS, RUNTIMES, SESSIONS, Kind
from greenroom_core.kube.transport import JSON, MERGE_PATCH, Request
from greenroom_core.model import names

if TYPE_CHECKING:
    from tests.fakes.apiserver import FakeApiServer

    from greenroom_core.kube.transport import Answer

Object = dict[str, Any]
_NODES = "/api/v1/nodes"


class Kubectl:
    """Each call is carried out as a whole, also while the API server refuses connections. What is asked of an object
    that is not there is not done."""

    def __init__(self, server: FakeApiServer) -> None:
        self._server = server

    def sessions(self) -> list[Object]:
        """What is read is not to be changed: it is what is stored."""
        return self._server.storage.within(f"{SESSIONS.plural}.{names.GROUP}", NAMESPACE)

    def runtimes(self) -> list[Object]:
        return self._server.storage.within(f"{RUNTIMES.plural}.{names.GROUP}", NAMESPACE)

    def pods(self) -> list[Object]:
        return self._server.storage.within("pods", NAMESPACE)

    def nodes(self) -> list[Object]:
        return self._server.storage.within("nodes", "")

    def create_runtime(self, name: str, spec: Object) -> None:
        body = {"apiVersion": names.API_VERSION, "kind": "AgentRuntime", "metadata": {"name": name}, "spec": spec}
        self._send("POST", RUNTIMES.path(NAMESPACE), body)

    def create_session(self, name: str, labels: dict[str, str], spec: Object) -> None:
        meta = {"name": name, "labels": labels}
        body = {"apiVersion": names.API_VERSION, "kind": "AgentSession", "metadata": meta, "spec": spec}
        answer = self._send("POST", SESSIONS.path(NAMESPACE), body)
        assert answer.status in (201, 429), answer.body

    def create_node(self, name: str) -> None:
        self._send("POST", _NODES, {"metadata": {"name": name}, "spec": {}})

    def patch(self, kind: Kind[Any], name: str, patch: Object, *, subresource: str = "") -> None:
        self._send("PATCH", kind.path(NAMESPACE, name, subresource), patch)

    def annotate(self, kind: Kind[Any], name: str, key: str, value: str | None) -> None:
        self.patch(kind, name, {"metadata": {"annotations": {key: value}}})

    def cordon(self, node: str, *, unschedulable: bool) -> None:
        self._send("PATCH", f"{_NODES}/{node}", {"spec": {"unschedulable": unschedulable or None}})

    def delete(self, kind: Kind[Any], name: str, *, grace_seconds: int | None = None) -> None:
        options = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        self._send("DELETE", kind.path(NAMESPACE, name), options)

    def bind(self, pod: str, node: str) -> bool:
        body = {"metadata": {"name": pod}, "target": {"apiVersion": "v1", "kind": "Node", "name": node}}
        return self._send("POST", PODS.path(NAMESPACE, pod, "binding"), body).status == 201

    def _send(self, method: str, path: str, body: Object) -> Answer:
        kind = MERGE_PATCH if method == "PATCH" else JSON
        return self._server.handle(Request(method, path, {}, msgspec.json.encode(body), kind), "kubectl")
