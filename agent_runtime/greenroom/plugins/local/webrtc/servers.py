"""STUN and TURN servers: from arguments or the environment. The credential is shown by no repr, error or log."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

URL_VARIABLE = "GREENROOM_TURN_URL"
USERNAME_VARIABLE = "GREENROOM_TURN_USERNAME"
CREDENTIAL_VARIABLE = "GREENROOM_TURN_CREDENTIAL"

_STUN = re.compile(r"stun:[^?:@/\s]+(:\d{1,5})?")
_TURN = re.compile(r"turns?:[^?:@/\s]+(:\d{1,5})?(\?transport=(udp|tcp))?")


@dataclass(frozen=True, slots=True)
class IceServers:
    """At most one of each: what aioice asks."""

    stun_url: str | None = None
    turn_url: str | None = None
    username: str | None = None
    credential: str | None = field(default=None, repr=False)

    @classmethod
    def found(
        cls,
        urls: str | None,
        username: str | None,
        credential: str | None,
        environment: Mapping[str, str] = os.environ,
    ) -> IceServers:
        """The servers of `urls` (several with commas between them), or else of the environment.

        Raises :class:`ValueError` for an address that is none, for two of one kind, and for TURN without a name.
        """
        if urls is None:
            urls = environment.get(URL_VARIABLE, "")
        stun, turn = _sorted([url.strip() for url in urls.split(",") if url.strip()])
        if turn is None:
            return cls(stun)
        username = username or environment.get(USERNAME_VARIABLE)
        credential = credential or environment.get(CREDENTIAL_VARIABLE)
        if not username or not credential:
            raise ValueError(
                f"local.Edge: the server {turn} wants a name and a credential: set {USERNAME_VARIABLE} and "
                f"{CREDENTIAL_VARIABLE}, or pass turn_username= and turn_credential="
            )
        return cls(stun, turn, username, credential)


def _sorted(urls: list[str]) -> tuple[str | None, str | None]:
    stun: list[str] = []
    turn: list[str] = []
    for url in urls:
        if _STUN.fullmatch(url):
            stun.append(url)
        elif _TURN.fullmatch(url):
            turn.append(url)
        else:
            raise ValueError(
                f"local.Edge: {_shown(url)} in turn_url ({URL_VARIABLE}) is no address of a server: write "
                "stun:host:port, turn:host:port, turn:host:port?transport=tcp or turns:host:port"
            )
    for kind in (stun, turn):
        if len(kind) > 1:
            raise ValueError(
                f"local.Edge: turn_url ({URL_VARIABLE}) names {kind[0]} and {kind[1]}: one of a kind is used"
            )
    return next(iter(stun), None), next(iter(turn), None)


def _shown(url: str) -> str:
    """Of an address with a name and a password in it only what follows them."""
    return repr(f"…{url[url.rindex('@') :]}" if "@" in url else url)
