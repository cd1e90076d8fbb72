"""One kind of error for all vendors: what happened, whether waiting helps, and no secret.

SDKs put requests with their headers into their errors, so none of those leaves a plugin: not as a cause, not as
a context.
"""

from __future__ import annotations

from http import HTTPStatus

MAX_DETAIL_CHARACTERS = 300


class VendorError(RuntimeError):
    """A vendor's service failed or refused.

    `retryable`: the same request may succeed a little later. `status` is the HTTP status where there was one,
    `retry_after_seconds` what the vendor asks for.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.status = status
        self.retry_after_seconds = retry_after_seconds

    @classmethod
    def of_status(
        cls, vendor: str, status: int, detail: str, way_out: str, retry_after_seconds: float | None = None
    ) -> VendorError:
        """The error of an HTTP `status`; `way_out` is what to do if it is the key that is refused."""
        detail = _bounded(detail)
        says = f": {detail}" if detail else ""
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return cls(f"{vendor} refused the API key (HTTP {status}){says}; {way_out}", status=status)
        retryable = status >= 500 or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        what = "is at its limit" if status == HTTPStatus.TOO_MANY_REQUESTS else "failed" if retryable else "refused"
        return cls(
            f"{vendor} {what} (HTTP {status}){says}",
            retryable=retryable,
            status=status,
            retry_after_seconds=retry_after_seconds,
        )

    @classmethod
    def of_connection(cls, vendor: str, error: BaseException) -> VendorError:
        """The error of a connection that could not be made or broke."""
        text = _bounded(f"{type(error).__name__}: {error}".rstrip(": "))
        return cls(f"{vendor} cannot be reached or hung up: {text}", retryable=True)


def _bounded(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_DETAIL_CHARACTERS else text[: MAX_DETAIL_CHARACTERS - 1] + "…"
