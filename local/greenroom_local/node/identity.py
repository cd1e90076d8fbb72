"""The service-account folder of a pod: token, CA and namespace as a cluster would mount them, the token kept fresh."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any

from msgspec import field

from greenroom_core.kube.errors import KubeError, NotFound
from greenroom_core.kube.kinds import Kind, kind
from greenroom_core.model.meta import Resource

if TYPE_CHECKING:
    from pathlib import Path

    from greenroom_core.kube.client import KubeClient
    from greenroom_local.node.pod import LocalPod

logger = logging.getLogger("greenroom.local.identity")

TOKEN_LIFETIME_SECONDS = 3600
_REFRESH_AFTER = 0.8
_RETRY_SECONDS = 10.0


class _TokenRequest(Resource, frozen=True):
    status: dict[str, Any] = field(default_factory=dict)


_ACCOUNTS: Kind[_TokenRequest] = kind("/api/v1", "serviceaccounts", _TokenRequest)


class Identity:
    """One pod's folder."""

    def __init__(self, client: KubeClient, pod: LocalPod, folder: Path, ca_file: Path) -> None:
        self.folder = folder
        self._client = client
        self._pod = pod
        self._ca_file = ca_file

    async def write(self) -> None:
        """Make the folder with a first token in it. Raises what the client raises."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(self._ca_file, self.folder / "ca.crt")
        (self.folder / "namespace").write_text(self._pod.metadata.namespace)
        await self._write_token()

    async def keep_fresh(self) -> None:
        """Replace the token long before it expires, until cancelled or the pod is gone."""
        pause = TOKEN_LIFETIME_SECONDS * _REFRESH_AFTER
        while True:
            await self._client.world.clock.sleep(pause)
            try:
                await self._write_token()
                pause = TOKEN_LIFETIME_SECONDS * _REFRESH_AFTER
            except NotFound:
                return
            except KubeError as error:
                logger.warning("pod %s: no new token: %s; trying again", self._pod.metadata.key, error)
                pause = _RETRY_SECONDS

    def remove(self) -> None:
        """The folder goes with the pod."""
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _write_token(self) -> None:
        meta = self._pod.metadata
        bound = {"apiVersion": "v1", "kind": "Pod", "name": meta.name, "uid": meta.uid}
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_LIFETIME_SECONDS, "boundObjectRef": bound},
        }
        account = self._pod.service_account
        answer = await self._client.create(_ACCOUNTS, meta.namespace, request, f"{account}/token")
        # Renamed into place: a reader sees the old token or the new one, never half of it.
        fresh = self.folder / ".token"
        fresh.touch(mode=0o600)
        fresh.write_text(answer.status["token"])
        fresh.rename(self.folder / "token")
