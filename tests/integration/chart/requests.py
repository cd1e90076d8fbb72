"""Requests on any object by its kind, and as one of the chart's accounts."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from greenroom_local.admin import Admin
    from greenroom_local.control_plane import ControlPlane

Body = dict[str, Any]
Right = tuple[str, str, str]


@dataclass
class Objects:
    """Where objects of a kind live, as the API server itself says."""

    admin: Admin
    _known: dict[str, dict[str, Body]] = field(default_factory=dict)

    async def try_creating(self, body: Body) -> Body:
        """A server-side dry run that takes no unknown field. Raises AdminError with the server's own words."""
        path = await self.collection(body)
        return await self.admin.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", body)

    async def collection(self, body: Body) -> str:
        version = body["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if root not in self._known:
            resources = (await self.admin.request("GET", root))["resources"]
            self._known[root] = {item["kind"]: item for item in resources if "/" not in item["name"]}
        resource = self._known[root][body["kind"]]
        namespace = f"/namespaces/{body['metadata']['namespace']}" if resource["namespaced"] else ""
        return f"{root}{namespace}/{resource['name']}"


async def rights(cluster: ControlPlane, namespace: str, account: str, home: str = "") -> set[Right]:
    """What an account of `home` may do in a namespace beyond what everybody may: (group, resource, verb)."""
    home = home or namespace
    await cluster.admin.create(f"/api/v1/namespaces/{home}/serviceaccounts", {"metadata": {"name": "nobody"}})
    everybody = await _rules(cluster, namespace, home, "nobody")
    return await _rules(cluster, namespace, home, account) - everybody


async def _rules(cluster: ControlPlane, namespace: str, home: str, account: str) -> set[Right]:
    token = await cluster.token(home, account)
    question = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(cluster.ca_file)), force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {token}"}) as session,
        session.post(
            f"{cluster.server_url}/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", json=question
        ) as response,
    ):
        answer = await response.json()
    assert answer["status"]["incomplete"] is False, answer
    return {right for rule in answer["status"]["resourceRules"] for right in spelled_out(rule)}


def spelled_out(rule: Body) -> set[Right]:
    assert not rule.get("resourceNames"), rule
    return {
        (group, resource, verb)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
