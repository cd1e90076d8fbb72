"""The SDK's client for Gemini, one pool of connections for all sessions of a process.

Turns the SDK's and the network's errors into :class:`VendorError`.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aiohttp

from greenroom.plugins.vendor import Key, Leases, VendorError, load
from greenroom.plugins.vendor.wire_logs import hide_keys

SDK = "google.genai"
VENDOR = "Gemini"
DEFAULT_URL = "https://generativelanguage.googleapis.com"
WAY_OUT = "check GOOGLE_API_KEY (it goes before GEMINI_API_KEY) or api_key="
CONNECT_SECONDS = 5.0
KEPT_SECONDS = 60.0  # an idle connection waits so long for the next request
AHEAD_SECONDS = 2.0  # joining a call does not wait longer for it
READ_BUFFER_BYTES = 4 * 1024 * 1024  # a line of an answer may be long
# Of the websocket below a live session. Compression would cost more than it saves: the sound is in base64, out of which
# it gets little but what base64 put in.
LIVE_OPTIONS = {"close_timeout": 0.5, "compression": None, "max_size": 4 * READ_BUFFER_BYTES}


# The SDK holds an answer that is given up in a circle of references, so its connection would stay open until the next
# garbage collection. Whoever asks puts a list here, finds the HTTP answers in it and closes them.
HTTP_ANSWERS: ContextVar[list[aiohttp.ClientResponse] | None] = ContextVar("http_answers", default=None)


@dataclass(frozen=True, slots=True)
class Account:
    """Where to ask, and as whom; `base_url` None is Google's own."""

    key: Key
    base_url: str | None


@dataclass(frozen=True, slots=True)
class Pool:
    """The SDK's client and the connections below it."""

    sdk: Any
    types: Any
    http: aiohttp.ClientSession


async def _open(account: Account) -> Pool:
    hide_keys()
    genai, types = await load(SDK), await load("google.genai.types")
    http = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_SECONDS),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        trace_configs=[_tracing()],
        trust_env=True,
        read_bufsize=READ_BUFFER_BYTES,
    )
    try:
        options = types.HttpOptions(
            base_url=account.base_url,
            aiohttp_client=http,
            async_client_args=LIVE_OPTIONS,
            retry_options=types.HttpRetryOptions(attempts=1),  # the plugin retries, faster and not for long
        )
        client = await asyncio.to_thread(
            genai.Client, api_key=account.key.reveal(), vertexai=False, http_options=options
        )
        await _connect_ahead(http, account.base_url or DEFAULT_URL)
    except BaseException:
        await http.close()
        raise
    return Pool(client, types, http)


def _tracing() -> aiohttp.TraceConfig:
    async def note(_session: Any, _context: Any, ended: aiohttp.TraceRequestEndParams) -> None:
        answers = HTTP_ANSWERS.get()
        if answers is not None:
            answers.append(ended.response)

    tracing = aiohttp.TraceConfig()
    tracing.on_request_end.append(note)
    return tracing


async def _connect_ahead(http: aiohttp.ClientSession, url: str) -> None:
    """Have a connection open before the first question; whether it works is found out by that."""
    try:
        async with http.head(url, timeout=aiohttp.ClientTimeout(total=AHEAD_SECONDS)):
            pass
    except (aiohttp.ClientError, TimeoutError):
        return


async def _close(pool: Pool) -> None:
    await pool.sdk.aio.aclose()
    await asyncio.to_thread(pool.sdk.close)
    await pool.http.close()


CLIENTS: Leases[Account, Pool] = Leases(_open, _close)


def translated(error: Exception, key: Key) -> VendorError | None:
    """What `error` of the SDK or of HTTP means; None for an error of ours."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        message = getattr(error, "message", None) or getattr(error, "status", None) or ""
        details = getattr(error, "details", None)
        return VendorError.of_status(
            VENDOR, _status(code, details), key.hidden_in(str(message)), WAY_OUT, _retry_delay_seconds(details)
        )
    if isinstance(error, aiohttp.ClientError | TimeoutError | OSError):
        return VendorError.of_connection(VENDOR, error)
    if type(error).__module__.startswith(("google.genai", "pydantic")) or isinstance(error, UnicodeDecodeError):
        return VendorError(f"{VENDOR} sent something that cannot be read: {type(error).__name__}", retryable=True)
    return None


def _status(code: int, details: Any) -> int:
    """Gemini answers 400 to a wrong key; that is a 401 like any other's."""
    wrong_key = any(entry.get("reason") == "API_KEY_INVALID" for entry in _entries(details))
    return 401 if wrong_key else code


def _retry_delay_seconds(details: Any) -> float | None:
    for entry in _entries(details):
        delay = str(entry.get("retryDelay", "")).removesuffix("s")
        if delay.replace(".", "", 1).isdigit():
            return float(delay)
    return None


def _entries(details: Any) -> list[dict[str, Any]]:
    error = details.get("error", details) if isinstance(details, dict) else {}
    entries = error.get("details", []) if isinstance(error, dict) else []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
