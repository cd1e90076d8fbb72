"""Which failed requests are worth another try, and when. Pure."""

from __future__ import annotations

from getstream.exceptions import StreamApiException, StreamRateLimitException, StreamTransportException

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

# Stream's own codes for an application or a token that it does not take.
_CREDENTIAL_CODES = frozenset({2, 5, 40, 41, 42, 43})


def pause_before_retry(error: Exception, tries_made: int) -> float | None:
    """Seconds to wait before the next try; None if a next try would end as this one did.

    Whatever the SDK raises over an answer that it cannot read (KeyError, ValueError) is worth a try.
    """
    if isinstance(error, StreamApiException) and not _passes_by(error.status_code):
        return None
    if isinstance(error, StreamRateLimitException) and error.retry_after is not None:
        asked = error.retry_after.total_seconds()
        return asked if asked <= LONGEST_PAUSE_SECONDS else None
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (tries_made - 1))


def reason(error: Exception) -> str:
    """What went wrong, in a few words, with the way out where there is one."""
    if isinstance(error, StreamApiException):
        told = f"{error.message} (status {error.status_code}, code {error.code})"
        if error.code in _CREDENTIAL_CODES or error.status_code == 401:
            return f"{told}; check STREAM_API_KEY and STREAM_API_SECRET"
        return told
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, StreamTransportException):
        return f"no connection ({error.error_type})"
    return f"an answer that cannot be read ({type(error).__name__}: {error})"


def _passes_by(status: int) -> bool:
    # Below 400: an answer that the SDK could not parse.
    return status == 429 or status >= 500 or status < 400
