"""Callers by the JWTs of an OpenID Connect issuer: signature, issuer, audience and times are checked, and a claim says
what they may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

from greenroom_api.auth.gate import Act, Caller, Unrecognised, acts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom_api.auth.issuer import IssuerKeys
    from greenroom_core.clock import Clock

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""With a public key only: a secret that both sides know is nothing that an issuer publishes."""

LEEWAY_SECONDS = 30.0
PERMISSION_PREFIX = "greenroom:"

_LAST_SECOND = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token must say. `permissions` names the claim with `greenroom:start`, `greenroom:*` and so on, as a list
    or as text between blanks; `name` the one with the caller's name. Both may be paths, like `realm_access.roles`."""

    issuer: str
    audience: str
    name: str = "sub"
    permissions: str = "scope"


class OidcGate:
    def __init__(self, claims: Claims, keys: IssuerKeys, clock: Clock) -> None:
        self._claims = claims
        self._keys = keys
        self._clock = clock

    async def caller(self, token: str) -> Caller:
        said = await self._verified(token)
        self._check_times(said)
        name = _at(said, self._claims.name)
        if not isinstance(name, str) or not name:
            raise Unrecognised(f"the token has no claim {self._claims.name}")
        return Caller(name, acts(_words(_at(said, self._claims.permissions)), PERMISSION_PREFIX))

    async def may(self, caller: Caller, act: Act) -> bool:
        return act in caller.may

    async def _verified(self, token: str) -> Mapping[str, Any]:
        try:
            head = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise Unrecognised("the token is no JWT") from None
        algorithm, key_id = head.get("alg"), head.get("kid")
        if algorithm not in ALGORITHMS or not isinstance(key_id, str):
            raise Unrecognised("the token is not signed by a key of the issuer")
        key = await self._keys.key(key_id)
        if key is None:
            raise Unrecognised("the token is not signed by a key of the issuer")
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["iss", "aud", "exp"]}
        try:
            said: Mapping[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._claims.audience,
                issuer=self._claims.issuer,
                options=options,
            )
        except jwt.InvalidIssuerError:
            raise Unrecognised("the token is of another issuer") from None
        except jwt.InvalidAudienceError:
            raise Unrecognised("the token is meant for another audience") from None
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise Unrecognised(f"the token does not hold: {type(error).__name__}") from None
        return said

    def _check_times(self, said: Mapping[str, Any]) -> None:
        """By the world's clock, which the library does not know."""
        now = self._clock.wall().timestamp()
        if now >= _number(said, "exp") + LEEWAY_SECONDS:
            raise Unrecognised("the token has expired")
        if "nbf" in said and now < _number(said, "nbf") - LEEWAY_SECONDS:
            raise Unrecognised("the token does not hold yet")


def _number(said: Mapping[str, Any], claim: str) -> float:
    value = said.get(claim)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LAST_SECOND:
        raise Unrecognised(f"the token's claim {claim} is no number of seconds")  # NaN neither, which JSON may have
    return float(value)


def _at(said: Any, path: str) -> Any:
    """The claim of that name, or, where there is none, what lies at that path."""
    if isinstance(said, dict) and path in said:
        return said[path]
    for name in path.split("."):
        said = said.get(name) if isinstance(said, dict) else None
    return said


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.split()
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
