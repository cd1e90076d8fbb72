"""The admin kubeconfig of a local control plane: one file that kubectl takes wherever it is copied."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from greenroom_local.certificates import Certificates

NAME = "greenroom-local"


def write_kubeconfig(path: Path, server_url: str, files: Certificates, namespace: str) -> None:
    """Write it, readable by this user alone. JSON, which is YAML; the keys are inside."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "clusters": [
            {
                "name": NAME,
                "cluster": {"server": server_url, "certificate-authority-data": _inline(files.ca)},
            }
        ],
        "users": [
            {
                "name": NAME,
                "user": {
                    "client-certificate-data": _inline(files.admin),
                    "client-key-data": _inline(files.admin_key),
                },
            }
        ],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": namespace}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=2) + "\n")


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
