"""The chart as objects: helm run on value sets. For the chart's unit and integration tests."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from greenroom_local.binaries import NotFound, find_helm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHART = Path(__file__).resolve().parents[3] / "charts" / "greenroom"
NAMESPACE = "voice"

Body = dict[str, Any]

_PLACEMENT = {
    "podAnnotations": {"example.com/team": "voice"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "voice", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {}}}
            ]
        }
    },
    "podLabels": {"example.com/tier": "edge"},
    "priorityClassName": "calls",
    "resources": {"requests": {"cpu": 2, "memory": "1.5Gi"}, "limits": {"memory": "2Gi", "cpu": "4"}},
}

VALUE_SETS: Mapping[str, Body] = {
    "as it comes": {},
    "no demo": {"demo": {"enabled": False}},
    "callers by keys, nothing for the whole cluster": {
        "crdCheck": False,
        "userRoles": False,
        "admissionPolicies": False,
        "uninstall": {"enabled": False},
        "operator": {"watchNodes": False},
        "api": {
            "auth": {
                "mode": "keys",
                "keys": {"secret": "callers"},
                "closeTokenSecret": "close",
                "rate": {"perSecond": 2.5, "burst": 10},
            }
        },
    },
    "production": {
        "operator": {"replicas": 3, "priorityClassName": "calls"},
        "api": {
            "autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 20},
            "auth": {"rate": {"perSecond": 20, "burst": 50}, "kubernetes": {"audiences": ["greenroom"]}},
            "ingress": {
                "enabled": True,
                "className": "contour",
                "hosts": ["voice.example.com"],
                "tls": [{"secretName": "voice-tls", "hosts": ["voice.example.com"]}],
            },
        },
        "networkPolicies": {
            "enabled": True,
            "apiFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "projectcontour"}}}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        },
        "monitoring": {
            "monitors": {"enabled": True, "labels": {"release": "prometheus"}},
            "alerts": {"enabled": True, "labels": {"release": "prometheus"}},
            "dashboard": {"enabled": True},
        },
        "demo": {"enabled": False},
    },
    "one operator for the whole cluster": {
        "scope": "cluster",
        "api": {"enabled": False},
        "demo": {"enabled": False},
        "networkPolicies": {"enabled": True},
        "monitoring": {"monitors": {"enabled": True}},
    },
    "a tenant of that operator": {
        "operator": {"enabled": False},
        "networkPolicies": {"enabled": True},
        "monitoring": {"monitors": {"enabled": True}},
    },
    "callers of an issuer": {
        "api": {
            "ingress": {"enabled": True, "paths": ["/calls"]},
            "extraVolumes": [{"name": "ca", "configMap": {"name": "issuer-ca"}}],
            "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/issuer", "readOnly": True}],
            "env": [{"name": "GREENROOM_AUTH_OIDC_CA_FILE", "value": "/etc/issuer/ca.crt"}],
            "corsAllowOrigins": ["https://app.example.com", "https://www.example.com"],
            "auth": {
                "mode": "oidc",
                "oidc": {
                    "issuer": "https://issuer.example.com/realm",
                    "audience": "greenroom",
                    "nameClaim": "email",
                    "permissionsClaim": "realm_access.roles",
                },
            },
        }
    },
    "everything set": {
        "nameOverride": "rooms",
        "labels": {"example.com/owner": "voice"},
        "image": {
            "repository": "registry.example.com:5000/voice/greenroom",
            "tag": "1.2.3-rc.1",
            "digest": "sha256:" + "0123456789abcdef" * 4,
            "pullPolicy": "Always",
            "pullSecrets": [{"name": "registry"}],
        },
        "operator": {
            "replicas": 1,
            "leaseSeconds": 7.5,
            "watchNodes": False,
            "logLevel": "DEBUG",
            "logFormat": "text",
            **_PLACEMENT,
        },
        "api": {
            "replicas": 3,
            "logLevel": "WARNING",
            "auth": {"mode": "none"},
            "talkPage": True,
            "env": [
                {"name": "GREENROOM_TURN_URL", "value": "turns:relay.example.com"},
                {
                    "name": "GREENROOM_TURN_CREDENTIAL",
                    "valueFrom": {"secretKeyRef": {"name": "turn", "key": "password"}},
                },
            ],
            "service": {"port": 80, "annotations": {"example.com/scrape": "true"}},
            "autoscaling": {"enabled": False, "minReplicas": 1, "maxReplicas": 1, "cpuPercent": 50},
            "ingress": {
                "enabled": True,
                "annotations": {"example.com/a": "b", "projectcontour.io/response-timeout": None},
                "hosts": ["a.example.com", "*.b.example.com"],
            },
            **_PLACEMENT,
        },
        "demo": {
            "name": "support-line",
            "replicas": 0,
            "sessionsPerPod": 3,
            "drainTimeoutSeconds": 120,
            "placement": "Spread",
            "redis": {"secret": "redis"},
            "extraVolumes": [{"name": "models", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "models", "mountPath": "/models", "readOnly": True}],
            "limits": {"maxConcurrentSessions": 20, "maxSessionsPerCall": 1},
            "sessionDefaults": {"limits": {"idleTimeoutSeconds": 0}, "restartPolicy": "OnPodLoss"},
            "command": ["python", "agent.py", "runtime"],
            "env": [
                {"name": "VOICE", "value": "calm"},
                {"name": "VENDOR_KEY", "valueFrom": {"secretKeyRef": {"name": "vendor", "key": "token"}}},
            ],
            **_PLACEMENT,
        },
        "networkPolicies": {"enabled": True, "apiServerPorts": [6443], "runtimeEgress": []},
        "monitoring": {
            "monitors": {"enabled": True, "interval": "1m30s"},
            "alerts": {"enabled": True},
            "dashboard": {"enabled": True, "labels": {"example.com/dashboards": "all"}},
        },
    },
}


class Refused(Exception):
    """helm did not render the chart; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Helm:
    """A helm to run on the chart."""

    program: Path

    def run(self, *words: str, values: Body | None = None, kubeconfig: Path | None = None) -> str:
        """What helm prints. Raises :class:`Refused`."""
        # Without a kubeconfig of ours helm must not find the user's.
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig or os.devnull)}
        done = subprocess.run(
            [str(self.program), *words, *(("--values", "-") if values is not None else ())],
            input=yaml.safe_dump(values or {}),
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise Refused(done.stderr + done.stdout)
        return done.stdout

    def render(
        self,
        values: Body,
        *more: str,
        release: str = "greenroom",
        namespace: str = NAMESPACE,
        chart: Path = CHART,
    ) -> list[Body]:
        """The release's objects, without those of its hooks. Raises :class:`Refused`."""
        bodies = self._everything(values, *more, release=release, namespace=namespace, chart=chart)
        return [body for body in bodies if not hook(body)]

    def hooks(self, values: Body, when: str, *, namespace: str = NAMESPACE) -> list[Body]:
        """What helm makes and removes beside the release at some moment. Raises :class:`Refused`."""
        return [body for body in self._everything(values, namespace=namespace) if hook(body) == when]

    def _everything(
        self,
        values: Body,
        *more: str,
        release: str = "greenroom",
        namespace: str = NAMESPACE,
        chart: Path = CHART,
    ) -> list[Body]:
        words = ("template", release, str(chart), "--namespace", namespace, *more)
        return [body for body in yaml.load_all(_once(self, words, json.dumps(values)), yaml.CSafeLoader) if body]


@cache
def _once(helm: Helm, words: tuple[str, ...], values: str) -> str:
    """Many tests look at the same rendering, and helm takes its time. Raises :class:`Refused`."""
    return helm.run(*words, values=json.loads(values))


def hook(body: Body) -> str:
    """When helm makes it, if it is a hook's."""
    return str(body["metadata"].get("annotations", {}).get("helm.sh/hook", ""))


def helm_or_failure() -> Helm:
    """helm; where none can be had, the test fails with one sentence that says what to do."""
    try:
        return Helm(find_helm())
    except NotFound as error:
        problem = str(error)
    # Outside of the handler: one sentence, not a chain of two exceptions.
    pytest.fail(problem, pytrace=False)


def of_kind(bodies: list[Body], kind: str) -> dict[str, Body]:
    """The objects of a kind by name."""
    return {body["metadata"]["name"]: body for body in bodies if body["kind"] == kind}


def pod_templates(bodies: list[Body]) -> Iterator[tuple[str, Body]]:
    """Each pod template, with the kind and name of what holds it."""
    for body in bodies:
        template = body.get("spec", {}).get("template")
        if template:
            yield f"{body['kind']} {body['metadata']['name']}", template


def environment(container: Body) -> dict[str, str]:
    """The variables that have plain values."""
    return {variable["name"]: variable["value"] for variable in container.get("env", ()) if "value" in variable}
