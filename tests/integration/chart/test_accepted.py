"""The real API server takes each object of the chart, and its own pod security takes each pod."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import pytest_asyncio
import yaml
from tests.crds import install
from tests.unit.chart.rendering import CHART, VALUE_SETS, Body, Helm, of_kind, pod_templates

from greenroom_core.model.runtime import AgentRuntime
from greenroom_local.admin import AdminError
from greenroom_operator.planning.pods import pod_body
from greenroom_operator.planning.revision import revision
from greenroom_operator.planning.values import Fleet

from .requests import Objects

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane

INSTALL = CHART.parents[1] / "docs" / "install.md"
MONITORING = Path(__file__).parent / "monitoring"
HOOKS = ("test", "pre-delete")

each_value_set = pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS.keys())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def monitoring(control_plane: ControlPlane) -> None:
    """The Prometheus Operator's own definitions of what the chart makes for it."""
    for path in sorted(MONITORING.glob("*.yaml")):
        await install(control_plane.admin, yaml.safe_load(path.read_text()))


@each_value_set
async def test_each_object_passes_a_dry_run(
    cluster: ControlPlane, monitoring: None, namespace: str, helm: Helm, values: Body
) -> None:
    objects = Objects(cluster.admin)
    bodies = helm.render(values, namespace=namespace)
    # A pod needs its account to be there: see those of restricted pod security.
    hooks = [body for when in HOOKS for body in helm.hooks(values, when, namespace=namespace)]
    bodies += [body for body in hooks if body["kind"] != "Pod"]
    for body in bodies:
        answer = await objects.try_creating(body)
        assert answer["metadata"]["uid"]
    assert bodies


async def test_the_crds_that_helm_installs_pass_too(cluster: ControlPlane, helm: Helm) -> None:
    crds = of_kind(helm.render({}, "--include-crds"), "CustomResourceDefinition")
    assert set(crds) == {"agentsessions.greenroom.dev", "agentruntimes.greenroom.dev"}
    for name, crd in crds.items():
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        await cluster.admin.request(
            "PATCH",
            f"{path}?dryRun=All&fieldValidation=Strict&fieldManager=chart&force=true",
            crd,
            "application/apply-patch+yaml",
        )


async def test_a_runtime_that_the_schema_of_values_lets_pass_is_refused_with_its_field(
    cluster: ControlPlane, namespace: str, helm: Helm
) -> None:
    values = {"demo": {"sessionDefaults": {"limits": {"idleTimeoutSeconds": -1}}}}
    runtime = of_kind(helm.render(values, namespace=namespace), "AgentRuntime")["default"]
    with pytest.raises(AdminError, match=r"spec\.sessionDefaults\.limits\.idleTimeoutSeconds") as refusal:
        await Objects(cluster.admin).try_creating(runtime)
    assert refusal.value.status == 422


async def test_the_runtime_of_the_documentation_passes_and_so_does_its_pod(
    cluster: ControlPlane, restricted: str, helm: Helm
) -> None:
    [text] = re.findall(r"^```yaml\n(.*?)^```$", INSTALL.read_text(), re.DOTALL | re.MULTILINE)
    objects = Objects(cluster.admin)
    for account in of_kind(helm.render({}, namespace=restricted), "ServiceAccount").values():
        await cluster.admin.create(await objects.collection(account), account)
    runtime = yaml.safe_load(text)
    runtime["metadata"]["namespace"] = restricted
    await objects.try_creating(runtime)
    await objects.try_creating(runtime_pod(runtime))


@each_value_set
async def test_restricted_pod_security_takes_each_pod(
    cluster: ControlPlane, restricted: str, helm: Helm, values: Body
) -> None:
    objects = Objects(cluster.admin)
    bodies = helm.render(values, namespace=restricted)
    bodies += [body for when in HOOKS for body in helm.hooks(values, when, namespace=restricted)]
    accounts = of_kind(bodies, "ServiceAccount")
    for account in accounts.values():
        await cluster.admin.create(await objects.collection(account), account)
    await allow_priority(cluster)
    made = pods(bodies, restricted)
    for pod in made:
        await objects.try_creating(pod)
    runners = {pod["spec"]["serviceAccountName"] for pod in made}
    # The account of runtime pods is there without a runtime, too.
    assert {name for name in accounts if not name.endswith("-runtime")} <= runners


async def test_restricted_pod_security_is_really_on(cluster: ControlPlane, restricted: str, helm: Helm) -> None:
    objects = Objects(cluster.admin)
    bodies = helm.render({}, namespace=restricted)
    for account in of_kind(bodies, "ServiceAccount").values():
        await cluster.admin.create(await objects.collection(account), account)
    for pod in pods(bodies, restricted):
        del pod["spec"]["containers"][0]["securityContext"]
        with pytest.raises(AdminError, match="violates PodSecurity") as refusal:
            await objects.try_creating(pod)
        assert refusal.value.status == 403


async def allow_priority(cluster: ControlPlane) -> None:
    """The class that the value sets name: pods of a class that is not there are refused."""
    body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "calls"}, "value": 100}
    await cluster.admin.apply("/apis/scheduling.k8s.io/v1/priorityclasses/calls", body)


@pytest.fixture
async def restricted(cluster: ControlPlane, namespace: str) -> str:
    """The test's namespace, which takes only restricted pods."""
    labels = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }
    patch = {"metadata": {"labels": labels}}
    path = f"/api/v1/namespaces/{namespace}"
    await cluster.admin.request("PATCH", path, patch, "application/merge-patch+json")
    return namespace


def pods(bodies: list[Body], namespace: str) -> list[Body]:
    """The pods that Deployments and Jobs would make, those of hooks, and the one that the operator itself makes of the
    AgentRuntime."""
    made = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**template["metadata"], "name": "one", "namespace": namespace},
            "spec": template["spec"],
        }
        for name, template in pod_templates(bodies)
        if name.startswith(("Deployment", "Job"))
    ]
    made += of_kind(bodies, "Pod").values()
    return made + [runtime_pod(body) for body in of_kind(bodies, "AgentRuntime").values()]


def runtime_pod(body: Body) -> Body:
    stored = {**body, "metadata": {**body["metadata"], "uid": "11111111-1111-1111-1111-111111111111"}}
    runtime = msgspec.convert(stored, AgentRuntime)
    return pod_body(Fleet(runtime, revision(runtime)), "one")
