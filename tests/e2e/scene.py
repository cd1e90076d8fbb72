"""What every step has in hand: the cluster, the release's namespace, its programs, and callers of its REST API."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tests.e2e import waiting
from tests.e2e.certificate import make_certificate
from tests.e2e.door import Door
from tests.e2e.figures import Figures

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.e2e.cluster import Cluster
    from tests.e2e.commands import Helm, Kubectl

T = TypeVar("T")
Body = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "greenroom"
RELEASE = "greenroom"
NAMESPACE = "greenroom-e2e"
HOST = "greenroom.e2e.test"
TLS_SECRET = "greenroom-tls"
RECORDINGS = "/tmp/recordings"  # in the pods; /tmp is the one place that can be written
RUNTIME = "app.kubernetes.io/component=runtime"

ACCOUNTS = {"caller": "edit", "looker": "view", "stranger": ""}
"""Service accounts, each with the cluster's role that it is given in the namespace."""


@dataclass
class Scene:
    """`kubectl` and `helm` are an administrator's, in the release's namespace.

    What a later run with `--only` has to know of this one stands in `directory`.
    """

    cluster: Cluster
    image: str
    kubectl: Kubectl
    helm: Helm
    directory: Path
    say: Callable[[str], None]
    figures: Figures = field(default_factory=Figures)
    _opened: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _doors: dict[str, Door] = field(default_factory=dict)

    async def __aenter__(self) -> Scene:
        self.directory.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    @property
    def certificate(self) -> Path:
        return self.directory / "ingress.crt"

    @property
    def key_file(self) -> Path:
        return self.directory / "ingress.key"

    def make_certificate(self) -> None:
        """A new one for the Ingress, which the doors trust."""
        make_certificate(HOST, self.certificate, self.key_file)

    @property
    def before(self) -> set[str]:
        """What was in the namespace before the release."""
        return set((self.directory / "before").read_text().split())

    @before.setter
    def before(self, names: set[str]) -> None:
        (self.directory / "before").write_text("\n".join(sorted(names)))

    async def until(
        self, check: Callable[[], Awaitable[T | None]], what: str, *, seconds: float = waiting.SECONDS
    ) -> T:
        return await waiting.until(check, what, self.say, seconds=seconds)

    async def door(self, account: str = "caller") -> Door:
        """The REST API as that account asks it; an account "" sends no token."""
        if account not in self._doors:
            self._doors[account] = await self.open_door(await self.kubectl.token(account) if account else "")
        return self._doors[account]

    async def open_door(self, token: str) -> Door:
        door = Door(self.cluster.ingress_https, HOST, self.certificate, token)
        return await self._opened.enter_async_context(door)

    def forget_doors(self) -> None:
        """The accounts are gone, and their tokens with them."""
        self._doors.clear()

    def values(self, **changes: Any) -> Body:
        """The chart as it comes, with an Ingress, room for a small machine, and a place for what agents say."""
        repository, tag, digest = _reference(self.image)
        return {
            "image": {"repository": repository, "tag": tag, "digest": digest},
            "api": {
                "ingress": {
                    "enabled": True,
                    "className": self.cluster.ingress_class,
                    "hosts": [HOST],
                    "tls": [{"secretName": TLS_SECRET, "hosts": [HOST]}],
                }
            },
            "demo": {
                "env": [{"name": "GREENROOM_RECORD_DIR", "value": RECORDINGS}],
                "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}},
            },
            "uninstall": {"drainSeconds": 5},
            **changes,
        }


def _reference(image: str) -> tuple[str, str, str]:
    """Repository, tag and digest of an image's name."""
    name, _, digest = image.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # a registry's port
        repository, tag = name, ""
    return repository, tag, digest
