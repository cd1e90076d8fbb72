"""What goes wrong at the fake, changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Faults:
    """Off by default. Numbers of requests count down as they are used up."""

    delay_seconds: float = 0.0
    """Every answer of the coordinator over HTTP takes so long."""
    refuse_requests: int = 0
    """So many HTTP requests are answered with `refuse_status`."""
    refuse_status: int = 503
    retry_after_seconds: int | None = None
    """Sent along with a refusal."""
    cut_requests: int = 0
    """The connection of so many HTTP requests ends without an answer."""
    garble_requests: int = 0
    """So many HTTP requests are answered with 200 and no JSON."""
    refuse_joins: bool = False
    """The coordinator gives no place in a call."""
    mute_sfu: bool = False
    """The SFU takes a join and never answers it."""
