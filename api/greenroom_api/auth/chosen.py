"""From settings to the doorkeeper that they ask for."""

from __future__ import annotations

import logging
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import aiohttp

from greenroom_api.auth.api_keys import KeyGate
from greenroom_api.auth.close_tokens import BadKey, CloseTokens, read_key
from greenroom_api.auth.doorkeeper import Doorkeeper
from greenroom_api.auth.issuer import IssuerKeys
from greenroom_api.auth.kubernetes import KubernetesGate
from greenroom_api.auth.oidc import Claims, OidcGate
from greenroom_api.auth.throttle import Throttle
from greenroom_api.settings import AuthMode
from greenroom_core.kube.client import KubeClient
from greenroom_core.settings import BadSetting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from greenroom_api.auth.gate import Gate
    from greenroom_api.settings import AuthSettings
    from greenroom_core.clock import Clock
    from greenroom_core.world import World

logger = logging.getLogger("greenroom.api.auth")

REVIEWS_AT_ONCE = 16
REVIEW_SECONDS = 5.0
ISSUER_SECONDS = 5.0


@asynccontextmanager
async def doorkeeper(chosen: AuthSettings, world: World, namespace: str) -> AsyncIterator[Doorkeeper | None]:
    """None where everybody may do everything. Raises BadSetting."""
    if chosen.auth is AuthMode.NONE:
        yield None
        return
    throttle = None
    if chosen.caller_requests_per_second > 0:
        throttle = Throttle(world.clock, chosen.caller_requests_per_second, chosen.caller_burst)
    async with _gate(chosen, world, namespace) as gate:
        yield Doorkeeper(gate, close_tokens(chosen, world, namespace), throttle)


def close_tokens(chosen: AuthSettings, world: World, namespace: str) -> CloseTokens:
    """Raises BadSetting."""
    if not chosen.close_token_key_file:
        logger.warning("GREENROOM_CLOSE_TOKEN_KEY_FILE is not set: close tokens hold for this replica, until it ends")
    try:
        return CloseTokens(read_key(chosen.close_token_key_file, world.random), namespace)
    except BadKey as problem:
        raise BadSetting(str(problem)) from None


@asynccontextmanager
async def _gate(chosen: AuthSettings, world: World, namespace: str) -> AsyncIterator[Gate]:
    match chosen.auth:
        case AuthMode.KUBERNETES:
            client = KubeClient(world, requests_limit=REVIEWS_AT_ONCE, deadline_seconds=REVIEW_SECONDS)
            yield KubernetesGate(client, namespace, _words(chosen.auth_kubernetes_audiences))
        case AuthMode.KEYS:
            yield _keys(chosen, world.clock)
        case AuthMode.OIDC:
            claims = Claims(
                issuer=_needed(chosen, "auth_oidc_issuer"),
                audience=_needed(chosen, "auth_oidc_audience"),
                name=chosen.auth_oidc_name_claim,
                permissions=chosen.auth_oidc_permissions_claim,
            )
            async with _fetching(chosen.auth_oidc_ca_file) as fetch:
                yield OidcGate(claims, IssuerKeys(claims.issuer, fetch, world.clock), world.clock)
        case AuthMode.NONE:
            raise AssertionError("nobody is asked for")
        case other:
            assert_never(other)


def _keys(chosen: AuthSettings, clock: Clock) -> KeyGate:
    folder = Path(_needed(chosen, "auth_keys_folder"))
    if not folder.is_dir():
        raise BadSetting(f"GREENROOM_AUTH_KEYS_FOLDER={str(folder)!r} is no folder")
    return KeyGate(folder, clock)


def _needed(chosen: AuthSettings, name: str) -> str:
    value = str(getattr(chosen, name))
    if not value:
        raise BadSetting(f"GREENROOM_{name.upper()} must be set where GREENROOM_AUTH is {chosen.auth}")
    return value


def _words(value: str) -> list[str]:
    return [word for part in value.split(",") if (word := part.strip())]


@asynccontextmanager
async def _fetching(ca_file: str) -> AsyncIterator[Callable[[str], Awaitable[bytes]]]:
    tls = ssl.create_default_context(cafile=ca_file or None)
    timeout = aiohttp.ClientTimeout(total=ISSUER_SECONDS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls), timeout=timeout) as http:

        async def fetch(address: str) -> bytes:
            try:
                async with http.get(address) as answer:
                    if answer.status != 200:
                        raise OSError(f"{address} answered {answer.status}")
                    return await answer.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise OSError(f"{address}: {type(error).__name__}: {error}") from error

        yield fetch
