"""The SDK's client for ElevenLabs, one pool of connections for all sessions of a process.

Turns the SDK's and the network's errors into :class:`VendorError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from greenroom.plugins.vendor import Key, Leases, VendorError, load

SDK = "elevenlabs.client"
VENDOR = "ElevenLabs"
DEFAULT_URL = "https://api.elevenlabs.io"
WAY_OUT = "check ELEVENLABS_API_KEY or api_key="
CONNECT_SECONDS = 5.0
KEPT_SECONDS = 60.0  # an idle connection waits so long for the next sentence
AHEAD_SECONDS = 2.0  # joining a call does not wait longer for it


@dataclass(frozen=True, slots=True)
class Account:
    """Where to speak, and as whom."""

    key: Key
    base_url: str


@dataclass(frozen=True, slots=True)
class Pool:
    """The SDK's client and the connections below it."""

    sdk: Any
    http: Any


async def _open(account: Account) -> Pool:
    sdk, httpx = await load(SDK), await load("httpx")
    # No limit on reading: the plugin has its own, which knows the first sound from the next.
    http = httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEPT_SECONDS),
        follow_redirects=False,  # the key goes nowhere but to the address that was given
    )
    pool = Pool(sdk.AsyncElevenLabs(api_key=account.key.reveal(), base_url=account.base_url, httpx_client=http), http)
    await _connect_ahead(pool, account, httpx)
    return pool


async def _connect_ahead(pool: Pool, account: Account, httpx: Any) -> None:
    """Have a connection open before the first sentence; whether it works is found out by that."""
    try:
        await pool.http.head(account.base_url, timeout=AHEAD_SECONDS)
    except httpx.HTTPError:
        return


async def _close(pool: Pool) -> None:
    await pool.http.aclose()


CLIENTS: Leases[Account, Pool] = Leases(_open, _close)


def translated(error: Exception, key: Key) -> VendorError | None:
    """What `error` of the SDK or of HTTP means; None for an error of ours."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        detail = key.hidden_in(_detail(getattr(error, "body", "")))
        headers = getattr(error, "headers", None) or {}
        return VendorError.of_status(VENDOR, status, detail, WAY_OUT, _seconds(headers.get("retry-after")))
    if type(error).__module__.startswith(("httpx", "httpcore")):
        return VendorError.of_connection(VENDOR, error)
    return None


def _detail(body: Any) -> str:
    """The sentence in an error's body: `{"detail": {"status": ..., "message": ...}}`, or whatever it is."""
    detail = body.get("detail", body) if isinstance(body, dict) else body
    if isinstance(detail, dict):
        return " ".join(str(detail[part]) for part in ("status", "message") if detail.get(part))
    return str(detail or "")


def _seconds(text: str | None) -> float | None:
    """Of a Retry-After header, where it is no date."""
    return float(text) if text and text.replace(".", "", 1).isdigit() else None
