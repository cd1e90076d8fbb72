"""How long a browser is waited for."""

from __future__ import annotations

from dataclasses import dataclass

LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """`connect_seconds` for it to come, `silence_seconds` for it to come back when nothing is heard of it.

    A browser sends something every 0.4 s, also when it is muted, as long as its microphone is open; after that a sign
    of life every few seconds.
    """

    connect_seconds: float
    silence_seconds: float

    @property
    def away_seconds(self) -> float:
        """From then on the network counts as away."""
        return self.silence_seconds * 0.4

    def next_look_seconds(self, silent_seconds: float) -> float:
        """After how long it has to be asked again who is there: seldom while all is well."""
        return max(LOOK_SECONDS, self.away_seconds - silent_seconds)


class NotConnectedError(ConnectionError):
    """The browser has the answer, or could have it, and did not come."""

    @classmethod
    def within(cls, seconds: float) -> NotConnectedError:
        return cls(
            f"no browser connected within {seconds:g} s: it did not fetch the answer, or its UDP packets do not reach "
            "this machine; where a network is in between set GREENROOM_TURN_URL"
        )

    @classmethod
    def at_all(cls) -> NotConnectedError:
        return cls("the browser gave up before it was connected, or is not the one that made the offer")
