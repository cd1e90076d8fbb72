"""Callers as the cluster knows them: the API server says whose a bearer token is, and whether its RBAC lets them.

The acts are verbs on `agentsessions` in the namespace that is served: start is create, view get, list list, close
update, and metrics get on the subresource `metrics`, which exists for this question alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import field

from greenroom_api.auth.gate import Act, Caller, Undecided, Unrecognised
from greenroom_api.auth.recent import Recent
from greenroom_core.kube.errors import KubeError
from greenroom_core.kube.kinds import Kind, R, kind
from greenroom_core.model import names
from greenroom_core.model.meta import Resource, Wire, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenroom_core.kube.client import KubeClient

KNOWN_SECONDS = 10.0
"""How long a token or a permission that was taken away may still count."""

UNKNOWN_SECONDS = 5.0

_VERBS = {
    Act.START: ("create", ""),
    Act.VIEW: ("get", ""),
    Act.LIST: ("list", ""),
    Act.CLOSE: ("update", ""),
    Act.METRICS: ("get", "metrics"),
}
"""(verb, subresource)"""


class _User(Wire, frozen=True):
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)


class _TokenStatus(Wire, frozen=True):
    authenticated: bool = False
    user: _User = field(default_factory=_User)
    error: str = ""


class _TokenReview(Resource, frozen=True, kw_only=True):
    status: _TokenStatus = field(default_factory=_TokenStatus)


class _AccessStatus(Wire, frozen=True):
    allowed: bool = False


class _AccessReview(Resource, frozen=True, kw_only=True):
    status: _AccessStatus = field(default_factory=_AccessStatus)


_TOKEN_REVIEWS: Kind[_TokenReview] = kind("/apis/authentication.k8s.io/v1", "tokenreviews", _TokenReview)
_ACCESS_REVIEWS: Kind[_AccessReview] = kind("/apis/authorization.k8s.io/v1", "subjectaccessreviews", _AccessReview)


@dataclass(frozen=True, slots=True)
class _KubernetesCaller(Caller):
    user: str = ""
    """What the API server said of them, as JSON: hashable, so that it can be a key."""


class KubernetesGate:
    """TokenReview, then SubjectAccessReview; both answers are kept for some seconds.

    `audiences` are those that a token must be meant for; none: the API server's own.
    """

    def __init__(self, client: KubeClient, namespace: str, audiences: Sequence[str] = ()) -> None:
        clock = client.world.clock
        self._client = client
        self._namespace = namespace
        self._audiences = list(audiences)
        self._callers: Recent[_KubernetesCaller | str] = Recent(
            clock, lambda known: UNKNOWN_SECONDS if isinstance(known, str) else KNOWN_SECONDS
        )
        self._verdicts: Recent[bool] = Recent(clock, lambda _: KNOWN_SECONDS)

    async def caller(self, token: str) -> Caller:
        key = hashlib.sha256(token.encode()).digest()
        found = await self._callers.get(key, lambda: self._review(token))
        if isinstance(found, str):
            raise Unrecognised(found)
        return found

    async def may(self, caller: Caller, act: Act) -> bool:
        assert isinstance(caller, _KubernetesCaller)
        return await self._verdicts.get((caller.user, act), lambda: self._access(caller, act))

    async def _review(self, token: str) -> _KubernetesCaller | str:
        spec: dict[str, Any] = {"token": token}
        if self._audiences:
            spec["audiences"] = self._audiences
        status = (await self._ask(_TOKEN_REVIEWS, "TokenReview", spec)).status
        if not status.authenticated or not status.user.username:
            return "the cluster does not know this token"
        return _KubernetesCaller(status.user.username, user=msgspec.json.encode(status.user).decode())

    async def _access(self, caller: _KubernetesCaller, act: Act) -> bool:
        verb, subresource = _VERBS[act]
        user = plain(msgspec.json.decode(caller.user, type=_User))
        spec = {
            "user": user.get("username", ""),
            **{name: user[name] for name in ("uid", "groups", "extra") if name in user},
            "resourceAttributes": {
                "namespace": self._namespace,
                "group": names.GROUP,
                "resource": "agentsessions",
                "subresource": subresource,
                "verb": verb,
            },
        }
        return (await self._ask(_ACCESS_REVIEWS, "SubjectAccessReview", spec)).status.allowed

    async def _ask(self, of: Kind[R], name: str, spec: dict[str, Any]) -> R:
        body = {"apiVersion": of.base.removeprefix("/apis/"), "kind": name, "spec": spec}
        try:
            return await self._client.create(of, None, body)
        except KubeError as error:
            # The error of a refused review can hold what was sent, and with it the token.
            raise Undecided(f"the API server did not answer a {name}: {type(error).__name__}") from None
