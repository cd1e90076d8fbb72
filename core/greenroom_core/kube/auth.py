"""Where the API server is and how a program shows who it is."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"


class NoCredentials(Exception):
    """Neither a service account nor a kubeconfig is at hand; the text says what was looked for."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """`token` is asked at every request, so that a rotated one is used before the old one expires."""

    server: str
    tls: ssl.SSLContext
    token: Callable[[], str | None]
    namespace: str
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


def discover(environment: Mapping[str, str] = os.environ) -> Credentials:
    """The pod's service account where there is one, else the kubeconfig. Raises NoCredentials."""
    folder = Path(environment.get("GREENROOM_SERVICEACCOUNT_DIR", SERVICE_ACCOUNT_DIR))
    host = environment.get("KUBERNETES_SERVICE_HOST")
    if host and (folder / "token").exists():
        return _service_account(folder, host, environment.get("KUBERNETES_SERVICE_PORT", "443"))
    if environment.get("KUBECONFIG") or (Path.home() / ".kube" / "config").exists():
        return _kubeconfig()
    raise NoCredentials(
        f"no credentials: {folder}/token does not exist or KUBERNETES_SERVICE_HOST is not set, and there is no "
        "kubeconfig; set KUBECONFIG, or run in a pod"
    )


class _TokenFile:
    """Reads the file again when it has changed: the kubelet replaces it long before the token expires.

    A moment without the file (a volume being taken down, while last writes are still to go out) is passed over.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at = -1
        self._token = ""

    def __call__(self) -> str:
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at != self._read_at:
                self._token = self._path.read_text().strip()
                self._read_at = changed_at
        except OSError:
            if not self._token:
                raise
        return self._token


def _service_account(folder: Path, host: str, port: str) -> Credentials:
    ca_file = str(folder / "ca.crt")
    address = f"[{host}]" if ":" in host else host
    return Credentials(
        server=f"https://{address}:{port}",
        tls=ssl.create_default_context(cafile=ca_file),
        token=_TokenFile(folder / "token"),
        namespace=(folder / "namespace").read_text().strip(),
        ca_file=ca_file,
    )


def _kubeconfig() -> Credentials:
    """Through the `kubernetes` package, which knows every form of kubeconfig, exec plugins included."""
    try:
        from kubernetes import client, config
    except ModuleNotFoundError as error:
        raise NoCredentials(
            "reading a kubeconfig needs the package `kubernetes`: install greenroom[kubeconfig], or run in a pod"
        ) from error
    settings = client.Configuration()
    config.load_kube_config(client_configuration=settings)
    _, active = config.list_kube_config_contexts()
    tls = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if settings.cert_file:
        tls.load_cert_chain(settings.cert_file, settings.key_file)

    def token() -> str | None:
        if settings.refresh_api_key_hook is not None:
            settings.refresh_api_key_hook(settings)
        bearer: str | None = settings.api_key.get("authorization")
        return bearer.removeprefix("Bearer ") if bearer else None

    return Credentials(
        server=settings.host,
        tls=tls,
        token=token,
        namespace=active["context"].get("namespace", "default"),
        ca_file=settings.ssl_ca_cert,
        certificate_file=settings.cert_file,
        key_file=settings.key_file,
    )
