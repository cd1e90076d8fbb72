"""Tokens that close one session and do nothing else: for `navigator.sendBeacon`, which cannot send a header.

Nothing is stored: a token is a signature of the session's names, so every replica with the same key knows it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

HEADER = "Greenroom-Close-Token"
SHORTEST_KEY_BYTES = 32


class BadKey(ValueError):
    """The key for close tokens cannot be used; the text says why."""


class CloseTokens:
    """For the sessions of one namespace."""

    def __init__(self, key: bytes, namespace: str) -> None:
        self._key = key
        self._namespace = namespace

    def token(self, call_id: str, session_id: str) -> str:
        # None of the three can hold a slash.
        message = f"close/{self._namespace}/{call_id}/{session_id}".encode()
        return base64.urlsafe_b64encode(hmac.digest(self._key, message, hashlib.sha256)).decode().rstrip("=")

    def fits(self, token: str, call_id: str, session_id: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token(call_id, session_id).encode())


def read_key(file: str, random: Random) -> bytes:
    """The key that all replicas share; without a file one for this process alone, from `random`, which nobody may be
    able to guess. Raises BadKey."""
    if not file:
        return random.randbytes(SHORTEST_KEY_BYTES)
    try:
        key = Path(file).read_bytes().strip()
    except OSError as error:
        raise BadKey(f"GREENROOM_CLOSE_TOKEN_KEY_FILE={file!r} cannot be read: {error.strerror}") from None
    if len(key) < SHORTEST_KEY_BYTES:
        raise BadKey(f"GREENROOM_CLOSE_TOKEN_KEY_FILE={file!r} has {len(key)} bytes of at least {SHORTEST_KEY_BYTES}")

    return key
