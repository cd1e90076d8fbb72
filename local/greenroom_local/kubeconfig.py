"""A kubeconfig of a local control plane: one file that kubectl takes wherever it is copied."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from greenroom_local.certificates import Certificates

NAME = "greenroom-local"


def write_kubeconfig(path: Path, server_url: str, files: Certificates, namespace: str) -> None:
    """The administrator's, readable by this user alone. JSON, which is YAML; the keys are inside."""
    _write(path, server_url, files.ca, (files.admin, files.admin_key), namespace)


def write_controllers_kubeconfig(path: Path, server_url: str, files: Certificates) -> None:
    """A kube-controller-manager's, in the same form."""
    _write(path, server_url, files.ca, (files.controllers, files.controllers_key), "default")


def write_identity_kubeconfig(path: Path, server_url: str, files: Certificates, name: str) -> None:
    """That of one of the further identities that the control plane was made with, in the same form."""
    _write(path, server_url, files.ca, files.identity(name), "default")


def _write(path: Path, server_url: str, ca: Path, client: tuple[Path, Path], namespace: str) -> None:
    certificate, key = client
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "clusters": [
            {
                "name": NAME,
                "cluster": {"server": server_url, "certificate-authority-data": _inline(ca)},
            }
        ],
        "users": [
            {
                "name": NAME,
                "user": {
                    "client-certificate-data": _inline(certificate),
                    "client-key-data": _inline(key),
                },
            }
        ],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": namespace}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=2) + "\n")


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
