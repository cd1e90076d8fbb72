"""What stands around the programs: ways in, scaling, budgets, policies of the network, the check, older CRDs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import yaml

from greenroom.runtime.settings import StoreSettings
from greenroom_api.app import create_app
from greenroom_api.check import CheckSettings
from greenroom_core import cli
from greenroom_core.model import names, roles
from greenroom_core.settings import load

from .rendering import CHART, NAMESPACE, Body, Helm, Refused, environment, of_kind, pod_templates

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMED: Body = {"fullnameOverride": "g"}


def api_of(helm: Helm, api: Body, kind: str) -> Body:
    return of_kind(helm.render({**NAMED, "api": api}), kind)["g-api"]


# --- ways in ---


def test_the_ingress_leads_to_what_callers_use_and_to_nothing_else(helm: Helm) -> None:
    ingress = api_of(helm, {"ingress": {"enabled": True, "className": "contour"}}, "Ingress")
    assert ingress["spec"]["ingressClassName"] == "contour"
    [rule] = ingress["spec"]["rules"]
    assert "host" not in rule
    led = [path["path"] for path in rule["http"]["paths"]]
    assert {path["pathType"] for path in rule["http"]["paths"]} == {"Prefix"}
    routes = set(create_app(SimpleNamespace(gauges=dict)).openapi()["paths"])
    inside = {"/health", "/ready", "/metrics"}
    assert {route for route in routes if not covered(route, led)} == inside & routes
    assert not any(covered(route, led) for route in inside)
    backends = [path["backend"]["service"] for path in rule["http"]["paths"]]
    assert all(backend == {"name": "g-api", "port": {"name": "http"}} for backend in backends)


def test_the_page_that_one_talks_to_is_led_to_where_it_is(helm: Helm) -> None:
    api = {"ingress": {"enabled": True}, "talkPage": True, "auth": {"mode": "none"}}
    [rule] = api_of(helm, api, "Ingress")["spec"]["rules"]
    assert covered("/talk/page.js", [path["path"] for path in rule["http"]["paths"]])


def test_hosts_paths_and_certificates_arrive(helm: Helm) -> None:
    tls = [{"secretName": "voice-tls", "hosts": ["a.example.com"]}]
    values = {"enabled": True, "hosts": ["a.example.com", "*.b.example.com"], "paths": ["/calls"], "tls": tls}
    spec = api_of(helm, {"ingress": values}, "Ingress")["spec"]
    assert [rule["host"] for rule in spec["rules"]] == ["a.example.com", "*.b.example.com"]
    assert [[path["path"] for path in rule["http"]["paths"]] for rule in spec["rules"]] == [["/calls"]] * 2
    assert spec["tls"] == tls
    assert "ingressClassName" not in spec


def test_an_ingress_waits_as_long_as_a_start_may(helm: Helm) -> None:
    told = api_of(helm, {"ingress": {"enabled": True}}, "Ingress")["metadata"]["annotations"]
    assert told == {
        "projectcontour.io/response-timeout": "150s",
        "nginx.ingress.kubernetes.io/proxy-read-timeout": "150",
    }


def covered(route: str, prefixes: Iterable[str]) -> bool:
    """As pathType Prefix has it: whole elements."""
    return any(route == prefix or route.startswith(prefix.rstrip("/") + "/") for prefix in prefixes)


# --- how many, and how few ---


def test_what_is_scaled_has_no_number_of_its_own(helm: Helm) -> None:
    api: Body = {"replicas": 4, "autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 9, "cpuPercent": 60}}
    assert "replicas" not in api_of(helm, api, "Deployment")["spec"]
    spec = api_of(helm, api, "HorizontalPodAutoscaler")["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "g-api"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 9)
    [metric] = spec["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 60}
    # A share of what the container asks for, so it has to ask.
    container = api_of(helm, api, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["requests"]["cpu"]


def test_bounds_in_the_wrong_order_are_refused(helm: Helm) -> None:
    with pytest.raises(Refused, match=r"minReplicas is 5 and maxReplicas is 3: set a larger maxReplicas"):
        helm.render({"api": {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 3}}})


@pytest.mark.parametrize("component", ["operator", "api"])
def test_a_budget_guards_two_and_lets_a_single_one_go(helm: Helm, component: str) -> None:
    bodies = helm.render({**NAMED, component: {"replicas": 2}})
    budget = of_kind(bodies, "PodDisruptionBudget")[f"g-{component}"]["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    chosen = [
        name
        for name, template in pod_templates(bodies)
        if budget["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    ]
    assert chosen == [f"Deployment g-{component}"]
    single = of_kind(helm.render({**NAMED, component: {"replicas": 1}}), "PodDisruptionBudget")
    assert f"g-{component}" not in single


# --- who may connect to whom ---


def policies(helm: Helm, **values: object) -> dict[str, Body]:
    bodies = helm.render({**NAMED, "networkPolicies": {"enabled": True, **values}})
    return {name: body["spec"] for name, body in of_kind(bodies, "NetworkPolicy").items()}


def ports(rules: Iterable[Body]) -> set[int | str]:
    return {port["port"] for rule in rules for port in rule.get("ports", ())}


def test_none_is_there_unless_it_is_asked_for(helm: Helm) -> None:
    assert of_kind(helm.render({}), "NetworkPolicy") == {}


def test_every_pod_is_under_exactly_one(helm: Helm) -> None:
    made = policies(helm)
    bodies = helm.render(NAMED) + helm.hooks(NAMED, "test") + helm.hooks(NAMED, "pre-delete")
    pods = {name: template["metadata"]["labels"] for name, template in pod_templates(bodies)}
    pods |= {f"Pod {name}": body["metadata"]["labels"] for name, body in of_kind(bodies, "Pod").items()}
    pods["AgentRuntime default"] |= {names.RUNTIME_LABEL: "default"}  # the operator's
    assert {
        name: [policy for policy, spec in made.items() if selects(spec, labels)] for name, labels in pods.items()
    } == {
        "Deployment g-operator": ["g-operator"],
        "Deployment g-api": ["g-api"],
        "AgentRuntime default": ["g-runtime"],
        "Job g-uninstall": ["g-hooks"],
        "Pod g-check": ["g-hooks"],
    }


def selects(spec: Body, labels: dict[str, str]) -> bool:
    selector = spec["podSelector"]
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    return all(
        one["key"] in labels and (one["operator"] == "Exists" or labels[one["key"]] in one["values"])
        for one in selector.get("matchExpressions", ())
    )


def test_all_reach_names_and_the_api_server_and_agents_the_world_but_the_cloud_s_metadata(helm: Helm) -> None:
    made = policies(helm, apiServerPorts=[8443])
    for name, spec in made.items():
        assert {53, 8443} <= ports(spec["egress"]), name
        assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    blocks = [peer["ipBlock"] for rule in made["g-runtime"]["egress"] for peer in rule.get("to", ())]
    assert [block["cidr"] for block in blocks] == ["0.0.0.0/0", "::/0"]
    assert "169.254.169.254/32" in blocks[0]["except"]
    assert not any("to" in rule for name in ("g-operator", "g-api") for rule in made[name]["egress"])


def test_everybody_asks_the_api_and_nobody_the_others_unless_told(helm: Helm) -> None:
    made = policies(helm)
    assert made["g-api"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": "http"}]}]
    assert all("ingress" not in made[name] for name in ("g-operator", "g-runtime", "g-hooks"))


def test_whom_the_values_name_is_let_in_and_the_check_besides(helm: Helm) -> None:
    caller = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    scraper = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    made = policies(helm, apiFrom=[caller], metricsFrom=[scraper])
    [rule] = made["g-api"]["ingress"]
    assert rule["from"][0] == caller
    [check] = of_kind(helm.hooks(NAMED, "test"), "Pod").values()
    assert rule["from"][1]["podSelector"]["matchLabels"].items() <= check["metadata"]["labels"].items()
    for name, port in (("g-operator", "http"), ("g-runtime", names.PORT_NAME)):
        assert made[name]["ingress"] == [{"from": [scraper], "ports": [{"protocol": "TCP", "port": port}]}]


# --- where checkpoints are kept ---


def test_a_store_s_address_reaches_the_runtime_s_program(helm: Helm) -> None:
    bodies = helm.render({"demo": {"redis": {"url": "rediss://store:6380/1"}}})
    container = of_kind(bodies, "AgentRuntime")["default"]["spec"]["template"]["spec"]["containers"][0]
    assert load(StoreSettings, "runtime", [], environment(container)).checkpoints_url == "rediss://store:6380/1"


# --- what `helm test` runs ---


def test_the_check_understands_its_variables_and_starts_a_session_of_the_demo(helm: Helm) -> None:
    values: Body = {**NAMED, "api": {"service": {"port": 80}, "auth": {"kubernetes": {"audiences": ["greenroom"]}}}}
    [pod] = of_kind(helm.hooks(values, "test"), "Pod").values()
    [container] = pod["spec"]["containers"]
    variables = environment(container)
    settings = load(CheckSettings, "greenroom check", [], variables)
    assert settings == CheckSettings("http://g-api:80", "default", "/var/run/secrets/greenroom/token")
    assert set(variables) == {"GREENROOM_URL", "GREENROOM_RUNTIME", "GREENROOM_TOKEN_FILE"}
    assert container["command"] == ["greenroom", "check"]
    assert cli.PROGRAMS["check"][0] == CheckSettings.__module__
    [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == "token"]
    [volume] = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "token"]
    token = volume["projected"]["sources"][0]["serviceAccountToken"]
    assert f"{mount['mountPath']}/{token['path']}" == settings.token_file
    assert token["audience"] == "greenroom"
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["restartPolicy"] == "Never"


def test_its_role_is_the_list_s_and_only_where_the_api_asks_the_cluster(helm: Helm) -> None:
    [role] = of_kind(helm.hooks(NAMED, "test"), "Role").values()
    assert tuple(role["rules"]) == roles.CHECK
    [binding] = of_kind(helm.hooks(NAMED, "test"), "RoleBinding").values()
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "g-check", "namespace": NAMESPACE}]
    nobody = helm.hooks({**NAMED, "api": {"auth": {"mode": "none"}}}, "test")
    assert {body["kind"] for body in nobody} == {"ServiceAccount", "Pod"}


@pytest.mark.parametrize(
    "values",
    [
        {"demo": {"enabled": False}},
        {"demo": {"replicas": 0}},
        {"api": {"auth": {"mode": "keys", "keys": {"secret": "callers"}}}},
    ],
)
def test_where_it_could_not_start_a_session_it_asks_without_one(helm: Helm, values: Body) -> None:
    hooks = helm.hooks({**NAMED, **values}, "test")
    assert {body["kind"] for body in hooks} == {"ServiceAccount", "Pod"}
    [pod] = of_kind(hooks, "Pod").values()
    assert environment(pod["spec"]["containers"][0]).keys() == {"GREENROOM_URL"}


def test_what_passed_is_taken_away(helm: Helm) -> None:
    for body in helm.hooks(NAMED, "test"):
        policy = body["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(",")
        assert {"before-hook-creation", "hook-succeeded"} <= set(policy)


# --- CRDs ---


def test_each_crd_has_its_revision(helm: Helm) -> None:
    shown = [body for body in yaml.safe_load_all(helm.run("show", "crds", str(CHART))) if body]
    assert len(shown) == 2
    for body in shown:
        assert int(body["metadata"]["annotations"][names.CRD_REVISION]) >= 1
