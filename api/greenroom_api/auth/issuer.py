"""The keys of an OpenID Connect issuer: found by discovery, kept, and asked for again when a token names a new one."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import jwt

from greenroom_api.auth.gate import Undecided

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.api.auth")

KEPT_SECONDS = 3600.0
"""A key that the issuer withdraws counts no longer than this, unless the issuer cannot be asked."""

ASK_AGAIN_SECONDS = 10.0
"""A token may name any key, so not every one of them is a reason to ask."""


class IssuerKeys:
    """`fetch` gets what is at an address, and raises OSError when it does not get it."""

    def __init__(self, issuer: str, fetch: Callable[[str], Awaitable[bytes]], clock: Clock) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._kept_until = self._ask_from = float("-inf")
        self._problem = ""
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """None: the issuer has no such key. Raises Undecided where it cannot be asked and nothing is known."""
        if not self._settled(key_id):
            async with self._lock:
                if not self._settled(key_id):
                    await self._refresh()
        if not self._keys:
            raise Undecided(self._problem)
        return self._keys.get(key_id)

    def _settled(self, key_id: str) -> bool:
        now = self._clock.boot()
        return now < self._ask_from or (key_id in self._keys and now < self._kept_until)

    async def _refresh(self) -> None:
        """Keys that are known stay while the issuer does not answer: its outage is not that of all callers."""
        try:
            self._keys = await self._read()
            self._kept_until = self._clock.boot() + KEPT_SECONDS
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._problem = f"the issuer {self._issuer} gave no keys: {error!r}"
            logger.warning("%s", self._problem)
        self._ask_from = self._clock.boot() + ASK_AGAIN_SECONDS

    async def _read(self) -> dict[str, jwt.PyJWK]:
        document = json.loads(await self._fetch(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"))
        if document["issuer"] != self._issuer:
            raise ValueError(f"it calls itself {document['issuer']!r}")
        listed = json.loads(await self._fetch(document["jwks_uri"]))["keys"]
        keys = (_usable(item) for item in listed)
        return {key.key_id: key for key in keys if key is not None and key.key_id is not None}


def _usable(item: Mapping[str, Any]) -> jwt.PyJWK | None:
    """None for what is no key to check signatures with, or of a kind that is not known."""
    if item.get("use", "sig") != "sig" or item.get("kty") == "oct":
        return None
    try:
        return jwt.PyJWK(dict(item))
    except jwt.PyJWTError:
        return None
