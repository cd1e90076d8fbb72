"""Tokens, roles and policy: only the real server has them, so these run against it alone."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from tests.contract.door import WAIT_SECONDS, Door, on_real, pod, real_transport, session, unique

from greenroom_core.clock import SystemClock
from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.errors import Denied, Invalid, KubeError, Refused
from greenroom_core.kube.kinds import PODS, SESSIONS
from greenroom_core.world import World
from greenroom_local.control_plane import BoundPod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_local.control_plane import ControlPlane

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_TOKEN_GRACE_SECONDS = 90.0


def plane_of(door: Door) -> ControlPlane:
    assert door.plane is not None
    return door.plane


async def bound_pod_token(door: Door) -> tuple[str, str, str]:
    """A pod on a node with a token bound to it, which may read and watch sessions: pod name, pod uid, token."""
    plane, name = plane_of(door), unique("pod")
    made = await door.client.create(PODS, door.namespace, pod(name, node="node-1"))
    role = {"metadata": {"name": "reader"}, "rules": [_rule("get", "list", "watch")]}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": door.namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    base = f"{_RBAC}/namespaces/{door.namespace}"
    await plane.admin.create(f"{base}/roles", role)
    await plane.admin.create(
        f"{base}/rolebindings", {"metadata": {"name": "reader"}, "roleRef": reference, "subjects": [subject]}
    )
    token = await plane.token(door.namespace, "default", bound_pod=BoundPod(name, made.metadata.uid))
    return name, made.metadata.uid, token


def _rule(*verbs: str) -> dict[str, Any]:
    return {"apiGroups": ["greenroom.dev"], "resources": ["agentsessions"], "verbs": list(verbs)}


@asynccontextmanager
async def client_with(door: Door, token: str, **more: Any) -> AsyncIterator[KubeClient]:
    """A client that shows `token`, ready as soon as its role has come into force."""
    async with real_transport(plane_of(door), token) as transport:
        client = KubeClient(World(SystemClock(), Random(1), transport), **more)
        async with asyncio.timeout(WAIT_SECONDS):
            while not await allowed(client, door):
                await asyncio.sleep(0.05)
        yield client


async def allowed(client: KubeClient, door: Door) -> bool:
    try:
        await client.list(SESSIONS, Selection(door.namespace))
    except Denied:
        return False
    return True


@on_real
async def test_token_bound_to_a_pod_says_its_name_and_uid_and_node(door: Door) -> None:
    name, uid, token = await bound_pod_token(door)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    answer = await plane_of(door).admin.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    extra = answer["status"]["user"]["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == [name]
    assert extra["authentication.kubernetes.io/pod-uid"] == [uid]
    assert extra["authentication.kubernetes.io/node-name"] == ["node-1"]


@on_real
async def test_role_cannot_narrow_a_list_by_selector_so_a_pod_reads_all_sessions_of_its_namespace(door: Door) -> None:
    await door.create("a")
    await door.patch_status("a", podName="another-pod")
    _, _, token = await bound_pod_token(door)
    async with client_with(door, token) as client:
        every = await client.list(SESSIONS, Selection(door.namespace))
        mine = await client.list(SESSIONS, Selection(door.namespace, fields="status.podName=me"))
        assert ([item.metadata.name for item in every.items], mine.items) == (["a"], [])
        with pytest.raises(Denied):
            await client.list(SESSIONS, Selection("kube-system"))
        with pytest.raises(Denied):
            await client.create(SESSIONS, door.namespace, session("b"))


@on_real
async def test_token_outlives_its_pod_by_seconds_and_then_is_401_while_an_open_watch_goes_on(door: Door) -> None:
    name, uid, token = await bound_pod_token(door)
    async with client_with(door, token) as client:
        version = (await client.list(SESSIONS, Selection(door.namespace))).version
        async with client.watch(SESSIONS, Selection(door.namespace), version) as stream:
            await door.client.delete(PODS, door.namespace, name, uid=uid, grace_period_seconds=0)
            assert (await client.list(SESSIONS, Selection(door.namespace))).items == []
            async with asyncio.timeout(_TOKEN_GRACE_SECONDS):
                while await allowed(client, door):
                    await asyncio.sleep(0.2)
            with pytest.raises(Denied) as refused:
                await client.list(SESSIONS, Selection(door.namespace))
            assert refused.value.status == 401
            await door.create("after")
            async with asyncio.timeout(WAIT_SECONDS):
                event = await anext(stream)
            assert SESSIONS.decoder.decode(event.object).metadata.name == "after"


@on_real
async def test_outage_of_etcd_and_a_restart_never_answer_401_or_404_to_a_valid_token(door: Door) -> None:
    plane = plane_of(door)
    await door.create("kept")
    _, _, token = await bound_pod_token(door)
    seen: set[str] = set()

    async def ask(client: KubeClient) -> None:
        try:
            await client.get(SESSIONS, door.namespace, "kept")
        except KubeError as error:
            seen.add(f"{type(error).__name__} {getattr(error, 'status', '')}".strip())
        else:
            seen.add("found")

    async with client_with(door, token, deadline_seconds=1.0) as client:
        plane.etcd.suspend()
        try:
            await ask(client)
            await plane.api_server.kill()
            plane.api_server.start()
            for _ in range(3):
                await ask(client)
        finally:
            plane.etcd.resume()
        await plane.wait_ready()
        async with asyncio.timeout(WAIT_SECONDS):
            while "found" not in seen:
                await ask(client)
    assert seen - {"found", "Denied 403"} == {"Unanswered"}


@on_real
async def test_policys_denial_is_422_with_one_cause_that_names_no_field_unless_it_says_forbidden(door: Door) -> None:
    await door.create("s")
    async with policy(door, 13, ""), policy(door, 14, "Forbidden"):
        for epoch, expected, fields in ((13, Invalid, [""]), (14, Denied, [""])):
            refused = await denied(door, epoch)
            assert type(refused) is expected
            assert f"no epoch {epoch}" in refused.message
            assert [cause.field for cause in refused.causes] == fields


@asynccontextmanager
async def policy(door: Door, epoch: int, reason: str) -> AsyncIterator[None]:
    """A policy on this namespace's sessions that denies one value of the epoch."""
    admin, name = plane_of(door).admin, unique("policy")
    expression = f"!has(object.status.epoch) || object.status.epoch != {epoch}"
    validation = {"expression": expression, "message": f"no epoch {epoch}"}
    rule = {
        "apiGroups": ["greenroom.dev"],
        "apiVersions": ["v1alpha1"],
        "resources": ["agentsessions/status"],
        "operations": ["UPDATE"],
    }
    here = {"matchLabels": {"kubernetes.io/metadata.name": door.namespace}}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here},
        "validations": [validation | ({"reason": reason} if reason else {})],
    }
    policies, bindings = f"{_ADMISSION}/validatingadmissionpolicies", f"{_ADMISSION}/validatingadmissionpolicybindings"
    await admin.create(policies, {"metadata": {"name": name}, "spec": spec})
    binding = {"policyName": name, "validationActions": ["Deny"]}
    await admin.create(bindings, {"metadata": {"name": name}, "spec": binding})
    try:
        yield
    finally:
        await admin.request("DELETE", f"{bindings}/{name}")
        await admin.request("DELETE", f"{policies}/{name}")


async def denied(door: Door, epoch: int) -> Refused:
    """What the write is refused with once the policy has come into force."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                await door.patch_status("s", epoch=epoch)
            except Refused as error:
                return error
            await door.patch_status("s", epoch=1)
            await asyncio.sleep(0.1)
