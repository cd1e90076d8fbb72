"""What an error of a live connection to Gemini means. Knows the codes with which Gemini closes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom.plugins.gemini.client import VENDOR, WAY_OUT, translated
from greenroom.plugins.vendor import VendorError

if TYPE_CHECKING:
    from greenroom.plugins.vendor import Key

_REFUSALS = (1003, 1007, 1008, 1009)  # a wrong key, model, handle or setup; in mid-session also what passes
_HTTP_ERRORS = range(400, 600)


class GoingAway(Exception):
    """Gemini is about to end this connection; the session goes on over another."""


class Unreadable(VendorError):
    """One message is lost."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{VENDOR} sent something that cannot be read: {type(error).__name__}", retryable=True)


def live_error(error: Exception, key: Key, *, opening: bool) -> VendorError | None:
    """What `error` of the SDK or its websocket means; None for an error of ours. `opening`: the session is not open
    yet, so that what Gemini does not like is in what it was opened with."""
    if type(error).__module__.startswith("websockets"):
        return _of_websocket(error, key, opening)
    if type(error) in (ValueError, UnicodeDecodeError) or type(error).__module__.startswith("pydantic"):
        return Unreadable(error)
    code = getattr(error, "code", 0)
    if code is None:  # the SDK's error for a message without anything that it knows
        return Unreadable(error)
    if isinstance(code, int) and code and code not in _HTTP_ERRORS:
        return _closed(code, str(getattr(error, "details", "") or ""), key, opening)
    return translated(error, key)


def _of_websocket(error: Exception, key: Key, opening: bool) -> VendorError:
    response = getattr(error, "response", None)
    if response is not None:  # no websocket came of it
        detail = (response.body or b"").decode(errors="replace")
        return VendorError.of_status(VENDOR, response.status_code, key.hidden_in(detail), WAY_OUT)
    close = getattr(error, "rcvd", None)
    if close is not None:
        return _closed(close.code, close.reason, key, opening)
    return VendorError.of_connection(VENDOR, error)


def _closed(code: int, reason: str, key: Key, opening: bool) -> VendorError:
    told = key.hidden_in(" ".join(reason.split()))[:200]
    says = f": {told}" if told else ""
    lowered = told.lower()
    if "api key" in lowered or "api_key" in lowered:
        return VendorError(f"{VENDOR} refused the API key{says}; {WAY_OUT}", status=401)
    if "quota" in lowered or "resource_exhausted" in lowered:
        return VendorError(f"{VENDOR} is at its limit{says}", retryable=True, status=429)
    if opening and code in _REFUSALS:
        return VendorError(f"{VENDOR} refused the session (close code {code}){says}")
    return VendorError(f"{VENDOR} closed the connection (close code {code}){says}", retryable=True)
