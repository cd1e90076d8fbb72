"""A real control plane on this machine: etcd and kube-apiserver as child processes, with RBAC and tokens.

It knows nothing of Greenroom's resources and programs. There is no controller manager, unless a
:class:`~greenroom_local.controllers.ControllerManager` is started beside it: nobody collects garbage, makes service
accounts or cleans up a deleted namespace; :meth:`ControlPlane.ensure_namespace` does the part that pods need.
"""

from __future__ import annotations

import os
import random
import shutil
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from greenroom_core.clock import SystemClock
from greenroom_core.kube.auth import Credentials
from greenroom_core.kube.client import KubeClient
from greenroom_core.kube.http import HttpTransport
from greenroom_core.world import World
from greenroom_local.admin import Admin, AdminError
from greenroom_local.certificates import Certificates, Identity, make_certificates
from greenroom_local.children import ChildProcess, Command
from greenroom_local.kubeconfig import write_kubeconfig
from greenroom_local.ports import LOOPBACK, free_ports
from greenroom_local.servers import Ports, Reach, api_server_words, etcd_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from greenroom_core.clock import Clock
    from greenroom_local.binaries import Binaries

T = TypeVar("T")

_READY_SECONDS = 120.0
_POLL_SECONDS = 0.1
_STOP_SECONDS = 5.0
_PORT_TRIES = 3


class ControlPlaneError(Exception):
    """The control plane does not come up; the message has the end of the log of the server that failed."""


@dataclass(frozen=True, slots=True)
class BoundPod:
    """The pod that a token is bound to: it is worth nothing once that pod is gone."""

    name: str
    uid: str


class ControlPlane:
    """``async with ControlPlane(binaries, directory) as plane:``: up and ready inside, gone after.

    `directory` gets data, certificates, logs and the kubeconfig; what an earlier control plane left there is removed.
    With `unsafe_no_fsync` etcd does not wait for the disk: faster, for tests. `reach` is another address than the
    loopback one where nodes join, which get certificates as `identities`. `api_server_flags` come after its own.
    """

    def __init__(
        self,
        binaries: Binaries,
        directory: Path,
        *,
        unsafe_no_fsync: bool = False,
        namespace: str = "default",
        reach: Reach | None = None,
        identities: Sequence[Identity] = (),
        api_server_flags: Sequence[str] = (),
        clock: Clock | None = None,
    ) -> None:
        self._binaries = binaries
        self.directory = directory.resolve()
        self.namespace = namespace
        self.reach = reach or Reach()
        self._identities = tuple(identities)
        self._unsafe_no_fsync = unsafe_no_fsync
        self._api_server_flags = tuple(api_server_flags)
        self._clock: Clock = clock or SystemClock()
        self._etcd: ChildProcess | None = None
        self._api_server: ChildProcess | None = None
        self._admin: Admin | None = None
        self._ports: Ports | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def binaries(self) -> Binaries:
        return self._binaries

    @property
    def etcd(self) -> ChildProcess:
        """For faults: ``await plane.etcd.kill()``, then ``plane.etcd.start()`` on the same port and data."""
        return _there(self._etcd)

    @property
    def api_server(self) -> ChildProcess:
        """For faults: ``await plane.api_server.kill()``, then ``start()`` and ``await plane.wait_ready()``."""
        return _there(self._api_server)

    @property
    def admin(self) -> Admin:
        """Requests as the administrator."""
        return _there(self._admin)

    @property
    def host(self) -> str:
        return self.reach.address

    @property
    def port(self) -> int:
        """The API server's port at :attr:`host`."""
        return _there(self._ports).api_server

    @property
    def server_url(self) -> str:
        """Such as ``https://127.0.0.1:40123``; the same after a restart of the API server."""
        return f"https://{self.host}:{self.port}"

    @property
    def etcd_url(self) -> str:
        """Where etcd answers, gRPC and its HTTP gateway; to a client with a certificate of `files.ca`."""
        return f"https://{LOOPBACK}:{_there(self._ports).etcd}"

    @property
    def files(self) -> Certificates:
        return Certificates(self.directory / "pki")

    @property
    def ca_file(self) -> Path:
        return self.files.ca

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    async def token(
        self,
        namespace: str,
        service_account: str,
        *,
        bound_pod: BoundPod | None = None,
        lifetime_seconds: int = 3600,
        audiences: Sequence[str] = (),
    ) -> str:
        """A service-account token by TokenRequest, as a kubelet asks for one. Raises :class:`AdminError`."""
        spec: dict[str, object] = {"expirationSeconds": lifetime_seconds}
        if audiences:
            spec["audiences"] = list(audiences)
        if bound_pod is not None:
            spec["boundObjectRef"] = {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": bound_pod.name,
                "uid": bound_pod.uid,
            }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self.admin.request("POST", path, request)
        return str(answer["status"]["token"])

    def credentials(self, token: str | None = None, *, port: int | None = None) -> Credentials:
        """For the kube door: those of a service account's `token`, without one the administrator's.

        `port` is where something else on this machine passes connections on to the API server.
        """
        tls = ssl.create_default_context(cafile=str(self.ca_file))
        if token is None:
            tls.load_cert_chain(self.files.admin, self.files.admin_key)
        server_url = f"https://{LOOPBACK}:{port}" if port else self.server_url
        return Credentials(server_url, tls, lambda: token, self.namespace, str(self.ca_file))

    @asynccontextmanager
    async def client(self, token: str | None = None, *, port: int | None = None) -> AsyncIterator[KubeClient]:
        """The kube door in the real world, open while the block runs; as :meth:`credentials`."""
        transport = HttpTransport(self.credentials(token, port=port), user_agent="greenroom-local")
        async with transport:
            yield KubeClient(World(self._clock, random.Random(), transport))

    async def ensure_namespace(self, name: str) -> None:
        """Make a namespace with the service account `default` in it, without which no pod is accepted."""
        await self.admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
        await self.admin.create(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})

    async def wait_ready(self) -> None:
        """Wait until the API server answers that it is ready. Raises :class:`ControlPlaneError`."""
        try:
            async with self._clock.timeout(_READY_SECONDS):
                while not await self._is_ready():
                    self._check_alive()
                    await self._clock.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise ControlPlaneError(
                f"the API server was not ready after {_READY_SECONDS:.0f} s; {_end_of_log(self.api_server)}"
            ) from None

    def child(self, name: str, words: Sequence[str]) -> ChildProcess:
        """A server of this control plane, not yet started."""
        # Only what servers need: variables such as ETCD_… would be taken for flags, a proxy for the way to etcd.
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.directory)}
        return ChildProcess(Command(name, words, environment, self.logs / f"{name}.log"), self._clock)

    async def stop(self) -> None:
        """End both servers; nothing happens to those that do not run."""
        for child in (self._api_server, self._etcd):
            if child is not None and child.started:
                await child.stop(_STOP_SECONDS)

    async def _start(self) -> None:
        self._prepare_directory()
        for attempt in range(1, _PORT_TRIES + 1):
            self._start_servers(Ports(*free_ports(3)))
            try:
                await self.wait_ready()
                break
            except ControlPlaneError as error:
                await self.stop()
                # Between choosing a port and listening on it another program may have taken it.
                if attempt == _PORT_TRIES or "address already in use" not in str(error):
                    raise
        write_kubeconfig(self.kubeconfig, self.server_url, self.files, self.namespace)
        await self.ensure_namespace(self.namespace)

    def _prepare_directory(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in ("etcd", "pki", "logs"):
            shutil.rmtree(self.directory / leftover, ignore_errors=True)
        addresses = {self.reach.service, self.reach.address} - {LOOPBACK}
        make_certificates(self.files.folder, self._clock.wall(), sorted(addresses), self._identities)

    def _start_servers(self, ports: Ports) -> None:
        self._ports = ports
        self._admin = Admin(self.server_url, self.files)
        data = self.directory / "etcd"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        unsafe = self._unsafe_no_fsync
        self._etcd = self.child("etcd", etcd_words(self._binaries, self.files, ports, data, unsafe_no_fsync=unsafe))
        words = (*api_server_words(self._binaries, self.files, ports, self.reach), *self._api_server_flags)
        self._api_server = self.child("kube-apiserver", words)
        self._etcd.start()
        self._api_server.start()

    async def _is_ready(self) -> bool:
        try:
            await self.admin.request("GET", "/readyz")
        except AdminError:
            return False
        return True

    def _check_alive(self) -> None:
        for child in (self.etcd, self.api_server):
            if not child.running:
                raise ControlPlaneError(
                    f"{child.command.name} ended with exit status {child.exit_code}; {_end_of_log(child)}"
                )


def _end_of_log(child: ChildProcess) -> str:
    return f"its log {child.command.log_file} ends:\n{child.last_lines()}"


def _there(value: T | None) -> T:
    if value is None:
        raise RuntimeError("the control plane has not been started")
    return value
