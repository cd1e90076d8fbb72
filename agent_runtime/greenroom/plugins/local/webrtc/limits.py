"""How long a browser is waited for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """`connect_seconds` for it to come, `silence_seconds` for it to come back when nothing is heard of it."""

    connect_seconds: float
    silence_seconds: float


class NotConnectedError(ConnectionError):
    """The browser has the answer, or could have it, and did not come."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"no browser connected within {seconds:g} s: it did not fetch the answer, or its UDP packets do not reach "
            "this machine; where a network is in between set GREENROOM_TURN_URL"
        )
