"""The seam between the kube client and the network: one request in, one answer or a stream of lines out.

A transport knows addresses, TLS and credentials. It knows nothing of retries, resources or errors' meanings;
those are the client's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to the API server. `path` starts with a slash; `query` is not yet escaped."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer to a request. `retry_after_seconds` is the Retry-After header, if any."""

    status: int
    body: bytes
    retry_after_seconds: float | None = None


class TransportError(Exception):
    """No whole answer came: refused, cut, timed out. Whether the request was carried out is unknown,
    unless `sent` is False: then nothing left this process."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Stream:
    """An open watch: `status` is known at once; `lines` yields one JSON document per item until the server
    ends it, and raises :class:`TransportError` when the connection breaks. When `status` is not 200 the lines are
    those of the error's body."""

    status: int
    lines: AsyncIterator[bytes]


class Transport(Protocol):
    """The network, or what stands in for it."""

    async def send(self, request: Request, timeout_seconds: float) -> Answer:
        """Send and read the whole answer. Raises :class:`TransportError`."""
        ...

    def stream(self, request: Request, silence_seconds: float) -> AbstractAsyncContextManager[Stream]:
        """Open a watch; a silence of `silence_seconds` on it raises :class:`TransportError`."""
        ...
