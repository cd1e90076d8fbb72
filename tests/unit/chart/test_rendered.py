"""What the chart renders: who may do what, and that programs and pods get what they understand."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml

from greenroom.runtime.settings import StoreSettings
from greenroom_api.settings import ApiSettings, AuthMode, AuthSettings, TurnSettings
from greenroom_core import cli
from greenroom_core.model import admission, names, roles
from greenroom_core.model.runtime import AgentRuntime, Placement
from greenroom_core.model.session import RestartPolicy
from greenroom_core.settings import load
from greenroom_operator.planning.revision import revision
from greenroom_operator.settings import Settings
from greenroom_operator.uninstall import UninstallSettings

from .rendering import CHART, NAMESPACE, VALUE_SETS, Body, Helm, Refused, environment, of_kind, pod_templates

each_value_set = pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS.keys())

WHOLE_CLUSTER = "greenroom-cluster-operator"
_POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_CLUSTER_WIDE = ("ClusterRole", "ClusterRoleBinding", *_POLICIES)


def parts(values: Body) -> tuple[str, ...]:
    """The programs that the release installs."""
    return tuple(part for part in ("operator", "api") if values.get(part, {}).get("enabled", True))


def roles_by_name(values: Body) -> dict[str, tuple[roles.Rule, ...]]:
    """The rules of the Roles that these values want, by the last part of their names."""
    wanted: dict[str, tuple[roles.Rule, ...]] = {"runtime": roles.RUNTIME}
    if "operator" in parts(values):
        wanted["operator-lease"] = roles.OPERATOR_LEASE
        if values.get("scope") != "cluster":
            wanted["operator"] = roles.OPERATOR
    if "api" in parts(values):
        wanted["api"] = roles.API
    return wanted


def cluster_wide(values: Body) -> dict[str, tuple[roles.Rule, ...]]:
    """The rules of the ClusterRoles that these values want, by the last part of their names."""
    wanted = {}
    if "operator" in parts(values) and values.get("operator", {}).get("watchNodes", True):
        wanted["operator-nodes"] = roles.OPERATOR_NODES
    if "api" in parts(values) and auth_mode(values) == "kubernetes":
        wanted["api-reviews"] = roles.API_REVIEWS
    if "operator" in parts(values) and values.get("userRoles", True):
        wanted |= {"user-view": roles.USER_VIEW, "user-edit": roles.USER_EDIT}
    return wanted


def beside(values: Body) -> set[tuple[str, str]]:
    """Kinds and ends of names of what the values may leave out."""
    scaling = values.get("api", {}).get("autoscaling", {}).get("enabled", False)
    replicas = {part: values.get(part, {}).get("replicas", 2) for part in parts(values)}
    made = {("PodDisruptionBudget", f"-{part}") for part, count in replicas.items() if count > 1}
    if scaling:
        made.add(("HorizontalPodAutoscaler", "-api"))
    if values.get("api", {}).get("ingress", {}).get("enabled", False):
        made.add(("Ingress", "-api"))
    if values.get("networkPolicies", {}).get("enabled", False):
        made |= {("NetworkPolicy", f"-{part}") for part in (*parts(values), "runtime", "hooks")}
    monitoring = {part: on.get("enabled", False) for part, on in values.get("monitoring", {}).items()}
    if monitoring.get("monitors"):
        monitors = {"api": "ServiceMonitor", "operator": "PodMonitor", "runtime": "PodMonitor"}
        made |= {(monitors[part], f"-{part}") for part in (*parts(values), "runtime")}
    if monitoring.get("alerts"):
        made.add(("PrometheusRule", ""))
    if monitoring.get("dashboard"):
        made.add(("ConfigMap", "-dashboard"))
    return made


def auth_mode(values: Body) -> str:
    return str(values.get("api", {}).get("auth", {}).get("mode", "kubernetes"))


@each_value_set
def test_helm_finds_no_fault(helm: Helm, values: Body) -> None:
    said = helm.run("lint", "--strict", str(CHART), values=values)
    assert "1 chart(s) linted, 0 chart(s) failed" in said
    assert "[WARNING]" not in said


@each_value_set
def test_everything_is_in_the_release_s_namespace_under_the_release_s_name(helm: Helm, values: Body) -> None:
    bodies = helm.render(values, release="line-1", namespace="calls")
    name = values.get("nameOverride", "greenroom")
    expected = {
        ("PodDisruptionBudget", f"line-1-{name}-busy-pods"),
        *(("Deployment", f"line-1-{name}-{part}") for part in parts(values)),
        *(("ServiceAccount", f"line-1-{name}-{part}") for part in (*parts(values), "runtime")),
        *((kind, f"line-1-{name}-{part}") for kind in ("Role", "RoleBinding") for part in roles_by_name(values)),
    }
    if "api" in parts(values):
        expected.add(("Service", f"line-1-{name}-api"))
    if values.get("scope") == "cluster":
        expected |= {(kind, WHOLE_CLUSTER) for kind in ("ClusterRole", "ClusterRoleBinding")}
    demo = values.get("demo", {})
    if demo.get("enabled", True):
        expected.add(("AgentRuntime", demo.get("name", "default")))
    expected |= {(kind, f"line-1-{name}{part}") for kind, part in beside(values)}
    for role in cluster_wide(values):
        expected.add(("ClusterRole", f"calls-line-1-{name}-{role}"))
        if not role.startswith("user-"):
            expected.add(("ClusterRoleBinding", f"calls-line-1-{name}-{role}"))
    if "operator" in parts(values) and values.get("admissionPolicies", True):
        expected |= {
            (kind, f"calls-line-1-{name}-{part}") for kind in _POLICIES for part in ("run-state", "own-sessions")
        }
    signs = "api" in parts(values) and auth_mode(values) != "none"
    if signs and not values.get("api", {}).get("auth", {}).get("closeTokenSecret"):
        expected.add(("Secret", f"line-1-{name}-api-close-tokens"))
    assert {(body["kind"], body["metadata"]["name"]) for body in bodies} == expected
    assert len(bodies) == len(expected)
    for body in bodies:
        assert body["metadata"].get("namespace") == (None if body["kind"] in _CLUSTER_WIDE else "calls")


@each_value_set
def test_each_role_is_exactly_the_list_and_each_account_has_its_own(helm: Helm, values: Body) -> None:
    bodies = helm.render({**values, "fullnameOverride": "g"})
    rules = {f"g-{part}": rules for part, rules in roles_by_name(values).items()}
    assert {name: tuple(role["rules"]) for name, role in of_kind(bodies, "Role").items()} == rules
    bound = {
        name: (binding["roleRef"], binding["subjects"]) for name, binding in of_kind(bodies, "RoleBinding").items()
    }
    assert bound == {
        name: (
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            [{"kind": "ServiceAccount", "name": name.removesuffix("-lease"), "namespace": NAMESPACE}],
        )
        for name in rules
    }
    used = {name: template["spec"]["serviceAccountName"] for name, template in pod_templates(bodies)}
    runtime = f"AgentRuntime {values.get('demo', {}).get('name', 'default')}"
    assert used == {
        **{f"Deployment g-{part}": f"g-{part}" for part in parts(values)},
        **({runtime: "g-runtime"} if runtime in used else {}),
    }


@each_value_set
def test_for_the_whole_cluster_nodes_callers_and_people_s_roles_unless_they_are_not_wanted(
    helm: Helm, values: Body
) -> None:
    bodies = helm.render({**values, "fullnameOverride": "g"})
    wanted = {f"{NAMESPACE}-g-{role}": rules for role, rules in cluster_wide(values).items()}
    if values.get("scope") == "cluster":
        wanted[WHOLE_CLUSTER] = roles.OPERATOR
    made = of_kind(bodies, "ClusterRole")
    assert {name: tuple(role["rules"]) for name, role in made.items()} == wanted
    bindings = of_kind(bodies, "ClusterRoleBinding").items()
    bound = {name: (binding["roleRef"]["name"], binding["subjects"]) for name, binding in bindings}
    assert bound == {
        name: (name, [{"kind": "ServiceAccount", "name": f"g-{account}", "namespace": NAMESPACE}])
        for name, account in (
            (f"{NAMESPACE}-g-operator-nodes", "operator"),
            (f"{NAMESPACE}-g-api-reviews", "api"),
            (WHOLE_CLUSTER, "operator"),
        )
        if name in wanted
    }


def test_the_policies_are_the_model_s_with_the_release_s_names(helm: Helm) -> None:
    bodies = helm.render({}, release="line", namespace="calls")
    operator, api = "line-greenroom-operator", "line-greenroom-api"
    for policy in (
        admission.run_state("calls-line-greenroom-run-state", "calls", operator),
        admission.own_sessions("calls-line-greenroom-own-sessions", "calls"),
    ):
        for body in (policy, admission.binding(policy)):
            made = of_kind(bodies, body["kind"])[body["metadata"]["name"]]
            assert made["spec"] == body["spec"]
    accounts = of_kind(bodies, "ServiceAccount")
    assert {operator, api} <= set(accounts)


def test_for_the_whole_cluster_they_hold_in_every_namespace(helm: Helm) -> None:
    bodies = helm.render(VALUE_SETS["one operator for the whole cluster"], release="line", namespace="calls")
    made = of_kind(bodies, "ValidatingAdmissionPolicy")
    for policy in (
        admission.run_state("calls-line-greenroom-run-state", None, "line-greenroom-operator", "calls"),
        admission.own_sessions("calls-line-greenroom-own-sessions", None),
    ):
        assert made[policy["metadata"]["name"]]["spec"] == policy["spec"]


def test_an_operator_for_the_whole_cluster_is_told_so_and_so_is_who_sees_it_out(helm: Helm) -> None:
    values = VALUE_SETS["one operator for the whole cluster"]
    deployment = of_kind(helm.render(values), "Deployment")["greenroom-operator"]
    variables = environment(deployment["spec"]["template"]["spec"]["containers"][0])
    settings = load(Settings, "greenroom operator", [], variables)
    assert (settings.namespace, settings.lease_namespace) == ("", ""), "the Lease is in its own namespace"
    bodies = helm.hooks(values, "pre-delete")
    assert {body["kind"] for body in bodies} == {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Job"}
    name = f"{NAMESPACE}-greenroom-uninstall"
    role, binding = of_kind(bodies, "ClusterRole")[name], of_kind(bodies, "ClusterRoleBinding")[name]
    assert tuple(role["rules"]) == roles.UNINSTALL
    assert binding["roleRef"]["name"] == name
    ((_, template),) = pod_templates(bodies)
    variables = environment(template["spec"]["containers"][0])
    settings_of_job = load(UninstallSettings, "greenroom uninstall", [], variables)
    assert settings_of_job == UninstallSettings(all_namespaces=True)


def test_a_scope_without_its_operator_is_refused(helm: Helm) -> None:
    with pytest.raises(Refused, match=r"scope=cluster is the operator's"):
        helm.render({"scope": "cluster", "operator": {"enabled": False}})


def test_before_the_release_goes_a_job_sees_everything_out(helm: Helm) -> None:
    bodies = helm.hooks({"fullnameOverride": "g", "uninstall": {"drainSeconds": 600}}, "pre-delete")
    assert {body["kind"] for body in bodies} == {"ServiceAccount", "Role", "RoleBinding", "Job"}
    assert {body["metadata"]["name"] for body in bodies} == {"g-uninstall"}
    assert tuple(of_kind(bodies, "Role")["g-uninstall"]["rules"]) == roles.UNINSTALL
    ((_, template),) = pod_templates(bodies)
    assert template["spec"]["serviceAccountName"] == "g-uninstall"
    container = template["spec"]["containers"][0]
    variables = environment(container)
    assert load(UninstallSettings, "greenroom uninstall", [], variables) == UninstallSettings(
        namespace=NAMESPACE, drain_seconds=600.0
    )
    assert_all_are_settings(variables, UninstallSettings)
    assert container["command"] == ["greenroom", "uninstall"]
    assert cli.PROGRAMS["uninstall"][0] == UninstallSettings.__module__
    job = of_kind(bodies, "Job")["g-uninstall"]["spec"]
    assert job["activeDeadlineSeconds"] >= 600 + UninstallSettings().end_seconds + 60
    weights = {body["kind"]: int(body["metadata"]["annotations"].get("helm.sh/hook-weight", 0)) for body in bodies}
    assert weights.pop("Job") > max(weights.values()), "its account is there first"


def test_nobody_sees_anything_out_where_that_is_not_wanted(helm: Helm) -> None:
    assert helm.hooks({"uninstall": {"enabled": False}}, "pre-delete") == []


def test_people_s_roles_are_part_of_the_cluster_s_and_never_hold_status(helm: Helm) -> None:
    made = of_kind(helm.render({"fullnameOverride": "g"}), "ClusterRole")
    for role in ("view", "edit"):
        body = made[f"{NAMESPACE}-g-user-{role}"]
        labels = {key: value for key, value in body["metadata"]["labels"].items() if "aggregate" in key}
        assert labels == {f"rbac.authorization.k8s.io/aggregate-to-{role}": "true"}
        for rule in body["rules"]:
            assert not any(resource.endswith("/status") for resource in rule["resources"])


@each_value_set
def test_no_pod_can_write_its_image_or_is_misled_by_a_service_s_name(helm: Helm, values: Body) -> None:
    for name, template in pod_templates(helm.render(values)):
        assert template["spec"]["enableServiceLinks"] is False, name
        for container in template["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            first, *others = container["volumeMounts"]
            assert first == {"name": "tmp", "mountPath": "/tmp"}, name
            assert all(mount["readOnly"] for mount in others), name
            assert not others or name.endswith("-api") or name.startswith("AgentRuntime")
        tmp = template["spec"]["volumes"][0]
        assert tmp == {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}, name


def test_the_operator_understands_its_variables(helm: Helm) -> None:
    deployment = of_kind(helm.render(VALUE_SETS["everything set"]), "Deployment")["greenroom-rooms-operator"]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    variables = environment(container)
    settings = load(Settings, "greenroom operator", [], variables)
    assert settings == Settings(
        namespace=NAMESPACE, watch_nodes=False, lease_seconds=7.5, log_level="DEBUG", log_format="text"
    )
    assert_all_are_settings(variables, Settings)
    assert_starts_and_is_probed(container, "operator", settings.port)


def test_the_api_understands_its_variables(helm: Helm) -> None:
    bodies = helm.render(VALUE_SETS["everything set"])
    deployment = of_kind(bodies, "Deployment")["greenroom-rooms-api"]
    spec = deployment["spec"]["template"]["spec"]
    variables = environment(spec["containers"][0])
    settings = load(ApiSettings, "greenroom api", [], variables)
    assert settings == ApiSettings(
        host="0.0.0.0",
        namespace=NAMESPACE,
        log_level="WARNING",
        log_format="json",
        drain_seconds=10,
        shutdown_seconds=75,
        talk_page=True,
    )
    assert load(TurnSettings, "greenroom api", [], variables).turn_url == "turns:relay.example.com"
    assert load(AuthSettings, "greenroom api", [], variables) == AuthSettings()
    assert_all_are_settings(variables, ApiSettings, TurnSettings, AuthSettings)
    assert_starts_and_is_probed(spec["containers"][0], "api", settings.port)
    assert spec["terminationGracePeriodSeconds"] >= settings.drain_seconds + settings.shutdown_seconds + 5


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("as it comes", AuthSettings(auth=AuthMode.KUBERNETES)),
        (
            "callers by keys, nothing for the whole cluster",
            AuthSettings(
                auth=AuthMode.KEYS,
                auth_keys_folder="/etc/greenroom/keys",
                caller_requests_per_second=2.5,
                caller_burst=10,
            ),
        ),
        (
            "callers of an issuer",
            AuthSettings(
                auth=AuthMode.OIDC,
                auth_oidc_issuer="https://issuer.example.com/realm",
                auth_oidc_audience="greenroom",
                auth_oidc_name_claim="email",
                auth_oidc_permissions_claim="realm_access.roles",
                auth_oidc_ca_file="/etc/issuer/ca.crt",
            ),
        ),
    ],
)
def test_the_api_asks_whom_it_is_to_ask(helm: Helm, values: str, expected: AuthSettings) -> None:
    bodies = helm.render(VALUE_SETS[values])
    pod = of_kind(bodies, "Deployment")["greenroom-api"]["spec"]["template"]["spec"]
    variables = environment(pod["containers"][0])
    assert_all_are_settings(variables, ApiSettings, AuthSettings)
    chosen = load(AuthSettings, "greenroom api", [], variables)
    key = Path(chosen.close_token_key_file)
    assert replace(chosen, close_token_key_file="") == expected
    mounted = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    signing = secrets[mounted[str(key.parent)]]
    made = of_kind(bodies, "Secret")
    assert signing == "close" if not made else made[signing]["data"].keys() == {key.name}
    if chosen.auth is AuthMode.KEYS:
        assert secrets[mounted[chosen.auth_keys_folder]] == "callers"
    origins = load(ApiSettings, "greenroom api", [], variables).cors_allow_origins
    assert origins == ",".join(VALUE_SETS[values].get("api", {}).get("corsAllowOrigins", []))


@pytest.mark.parametrize(
    ("api", "says"),
    [
        ({"auth": {"mode": "keys"}}, "api.auth.keys.secret must name a Secret"),
        ({"auth": {"mode": "oidc", "oidc": {"issuer": "https://a.example"}}}, "api.auth.oidc.audience must be set"),
        ({"auth": {"mode": "oidc", "oidc": {"issuer": "http://a.example", "audience": "a"}}}, "issuer"),
    ],
)
def test_auth_that_cannot_work_is_refused_with_its_value_s_name(helm: Helm, api: Body, says: str) -> None:
    with pytest.raises(Refused, match=says):
        helm.render({"api": api})


def test_the_page_that_one_talks_to_is_off_unless_it_is_asked_for(helm: Helm) -> None:
    deployment = of_kind(helm.render({}), "Deployment")["greenroom-api"]
    variables = environment(deployment["spec"]["template"]["spec"]["containers"][0])
    assert not load(ApiSettings, "greenroom api", [], variables).talk_page
    deployment = of_kind(helm.render({"api": {"talkPage": True}}), "Deployment")["greenroom-api"]
    variables = environment(deployment["spec"]["template"]["spec"]["containers"][0])
    assert load(ApiSettings, "greenroom api", [], variables).talk_page
    assert load(AuthSettings, "greenroom api", [], variables).auth is AuthMode.KUBERNETES


def test_the_service_leads_to_the_api_s_pods_alone(helm: Helm) -> None:
    bodies = helm.render({})
    service = of_kind(bodies, "Service")["greenroom-api"]["spec"]
    assert service["ports"] == [{"name": "http", "port": 8000, "targetPort": "http", "appProtocol": "http"}]
    assert service["type"] == "ClusterIP"
    chosen = [
        name
        for name, template in pod_templates(bodies)
        if service["selector"].items() <= template["metadata"]["labels"].items()
    ]
    assert chosen == ["Deployment greenroom-api"]


def test_the_disruption_budget_guards_busy_pods_whoever_made_them(helm: Helm) -> None:
    budget = of_kind(helm.render({}), "PodDisruptionBudget")["greenroom-busy-pods"]["spec"]
    assert budget == {
        "minAvailable": 100_000,
        "unhealthyPodEvictionPolicy": "IfHealthyBudget",
        "selector": {"matchLabels": {names.BUSY_LABEL: "true"}},
    }


def test_the_demo_is_the_runtime_that_sessions_go_to(helm: Helm) -> None:
    runtime = demo(helm, {}, names.DEFAULT_RUNTIME)
    assert runtime.spec.replicas == 1
    assert runtime.spec.sessions_per_pod == 10
    assert runtime.spec.template["spec"]["containers"][0]["image"] == "greenroom:0.1.0"


def test_the_demo_s_values_arrive_in_its_spec(helm: Helm) -> None:
    values = VALUE_SETS["everything set"]
    spec = demo(helm, values, "support-line").spec
    assert (spec.replicas, spec.sessions_per_pod, spec.drain_timeout_seconds) == (0, 3, 120)
    assert spec.placement is Placement.SPREAD
    assert (spec.limits.max_concurrent_sessions, spec.limits.max_sessions_per_call) == (20, 1)
    assert spec.session_defaults.restart_policy is RestartPolicy.ON_POD_LOSS
    assert spec.session_defaults.limits.idle_timeout_seconds == 0
    container = spec.template["spec"]["containers"][0]
    store, *others = container["env"]
    assert store == {
        "name": "GREENROOM_CHECKPOINTS_URL",
        "valueFrom": {"secretKeyRef": {"name": "redis", "key": "url"}},
    }
    assert_all_are_settings({store["name"]: ""}, StoreSettings)
    assert others == values["demo"]["env"]
    assert spec.template["metadata"]["labels"]["example.com/tier"] == "edge"
    assert container["command"] == values["demo"]["command"]
    assert container["image"] == "registry.example.com:5000/voice/greenroom@" + values["image"]["digest"]


def test_a_new_version_of_the_chart_alone_replaces_no_runtime_pod(helm: Helm, tmp_path: Path) -> None:
    newer = tmp_path / "greenroom"
    shutil.copytree(CHART, newer)
    about = yaml.safe_load((newer / "Chart.yaml").read_text())
    (newer / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": "9.9.9"}))
    assert revision(demo(helm, {}, "default", newer)) == revision(demo(helm, {}, "default"))
    assert revision(demo(helm, {"image": {"tag": "2"}}, "default")) != revision(demo(helm, {}, "default"))


def test_a_release_may_have_a_dot_in_its_name(helm: Helm) -> None:
    assert set(of_kind(helm.render({}, release="eu.1"), "Service")) == {"eu-1-greenroom-api"}


def test_a_name_that_no_service_may_have_is_refused_with_the_way_out(helm: Helm) -> None:
    with pytest.raises(Refused, match="must begin with a letter, and 1st-greenroom does not: set fullnameOverride"):
        helm.render({}, release="1st")
    assert helm.render({"fullnameOverride": "first"}, release="1st")


def demo(helm: Helm, values: Body, name: str, chart: Path = CHART) -> AgentRuntime:
    body = of_kind(helm.render(values, chart=chart), "AgentRuntime")[name]
    return msgspec.convert(body, AgentRuntime)


def assert_all_are_settings(variables: dict[str, str], *settings: type) -> None:
    known = {f"GREENROOM_{field.upper()}" for kind in settings for field in kind.__dataclass_fields__}
    assert set(variables) <= known


def assert_starts_and_is_probed(container: Body, word: str, port: int) -> None:
    assert container["command"] == ["greenroom", word]
    assert word in cli.PROGRAMS
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes == {
        "startupProbe": {"path": "/health", "port": "http"},
        "livenessProbe": {"path": "/health", "port": "http"},
        "readinessProbe": {"path": "/ready", "port": "http"},
    }
