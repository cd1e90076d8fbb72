"""helm installs, upgrades and uninstalls on the real API server, and the accounts may do what the list says."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from greenroom_api.auth.close_tokens import SHORTEST_KEY_BYTES
from greenroom_core.model import roles
from greenroom_local.admin import AdminError
from greenroom_local.binaries import find_installed
from greenroom_local.control_plane import ControlPlane

from .release import Release
from .requests import rights, spelled_out

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.unit.chart.rendering import Body, Helm


@pytest.fixture
def release(helm: Helm, cluster: ControlPlane, namespace: str) -> Release:
    return Release(helm, cluster, namespace)


async def test_install_upgrade_uninstall(release: Release) -> None:
    said = await release.install({})
    assert "STATUS: deployed" in said
    assert f"kubectl -n {release.namespace} port-forward service/greenroom-api 8000:8000" in said
    assert "curl -X POST http://127.0.0.1:8000/calls/first-call/sessions" in said
    bodies = release.rendered({})
    uids = {key(body): (await release.read(body))["metadata"]["uid"] for body in bodies}

    values: Body = {"api": {"replicas": 3}, "demo": {"replicas": 4}}
    await release.upgrade(values)
    bodies = release.rendered(values)
    stored = {key(body): await release.read(body) for body in bodies}
    assert {name: body["metadata"]["uid"] for name, body in stored.items()} == uids
    assert stored["Deployment", "greenroom-api"]["spec"]["replicas"] == 3
    assert stored["AgentRuntime", "default"]["spec"]["replicas"] == 4

    await release.helm("uninstall", "greenroom", "--no-hooks", "--cascade", "background")
    for body in bodies:
        with pytest.raises(AdminError) as gone:
            await release.read(body)
        assert gone.value.status == 404, key(body)


async def test_a_cluster_that_has_never_seen_greenroom_gets_the_crds_first(helm: Helm, tmp_path: Path) -> None:
    binaries = find_installed()
    assert binaries is not None, "no control-plane binaries: run `make test`, which brings them"
    async with ControlPlane(binaries, tmp_path, unsafe_no_fsync=True) as fresh:
        await fresh.ensure_namespace("voice")
        release = Release(helm, fresh, "voice")
        await release.install({})
        for body in release.rendered({}):
            assert await release.read(body)
        # The CRDs stay, or everybody's sessions would be gone with one release.
        await release.helm("uninstall", "greenroom", "--no-hooks", "--cascade", "background")
        runtimes = await fresh.admin.request("GET", "/apis/greenroom.dev/v1alpha1/agentruntimes")
        assert runtimes["items"] == []


async def test_the_notes_say_what_to_do_where_there_is_no_runtime(release: Release) -> None:
    said = await release.install({"demo": {"enabled": False}})
    assert "There is no runtime yet, so that POST answers 422." in said
    assert "ServiceAccount greenroom-runtime" in said
    said = await release.upgrade({"demo": {"enabled": True, "name": "support"}})
    assert """-d '{"runtime": "support"}'""" in said


@pytest.mark.parametrize(
    ("values", "told", "untold"),
    [
        ({}, ["--clusterrole=edit", "helm test greenroom"], ["From outside", "--audience", "create role caller"]),
        (
            {"userRoles": False, "api": {"auth": {"kubernetes": {"audiences": ["calls"]}}}},
            ["create role caller --verb=create,get,update", "create token caller --audience calls"],
            ["--clusterrole"],
        ),
        (
            {"api": {"ingress": {"enabled": True, "hosts": ["a.example.com"]}}},
            ["the API is at http://a.example.com", "set api.ingress.tls"],
            [],
        ),
        (
            {"api": {"ingress": {"enabled": True, "tls": [{"secretName": "tls"}]}}},
            ["where the ingress controller is, by any name"],
            ["set api.ingress.tls"],
        ),
        ({"api": {"auth": {"mode": "none"}}}, ["The API asks nobody"], ["create token", "Authorization"]),
        ({"uninstall": {"enabled": False}}, ["delete agentsessions --all"], ["To uninstall: helm"]),
    ],
)
async def test_the_notes_are_those_of_the_values(
    release: Release, values: Body, told: list[str], untold: list[str]
) -> None:
    said = await release.install(values, "--dry-run=server")
    for words in told:
        assert words in said
    for words in untold:
        assert words not in said


async def test_each_account_may_do_what_the_list_says_and_nothing_else(release: Release, cluster: ControlPlane) -> None:
    await release.install({})
    listed: dict[str, Sequence[roles.Rule]] = {
        "greenroom-operator": [*roles.OPERATOR, *roles.OPERATOR_LEASE, *roles.OPERATOR_NODES],
        "greenroom-api": [*roles.API, *roles.API_REVIEWS],
        "greenroom-runtime": roles.RUNTIME,
    }
    for account, rules in listed.items():
        expected = set().union(*map(spelled_out, rules))
        assert await rights(cluster, release.namespace, account) == expected, account
        everywhere = {"greenroom-operator": roles.OPERATOR_NODES, "greenroom-api": roles.API_REVIEWS}.get(account, ())
        beyond = set().union(*map(spelled_out, everywhere))
        assert await rights(cluster, "kube-system", account, home=release.namespace) == beyond, account


async def test_an_upgrade_keeps_the_key_that_signs_close_tokens(release: Release) -> None:
    await release.install({})
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "greenroom-api-close-tokens", "namespace": release.namespace},
    }
    first = (await release.read(secret))["data"]["key"]
    assert len(base64.b64decode(first)) >= SHORTEST_KEY_BYTES
    await release.upgrade({"api": {"replicas": 3}})
    assert (await release.read(secret))["data"]["key"] == first


async def test_without_watching_nodes_nobody_may_do_anything_beyond_the_namespace(
    release: Release, cluster: ControlPlane
) -> None:
    await release.install({"operator": {"watchNodes": False}})
    expected = set().union(*map(spelled_out, [*roles.OPERATOR, *roles.OPERATOR_LEASE]))
    assert await rights(cluster, release.namespace, "greenroom-operator") == expected
    assert await rights(cluster, "kube-system", "greenroom-operator", home=release.namespace) == set()


def key(body: Body) -> tuple[str, str]:
    return body["kind"], body["metadata"]["name"]
