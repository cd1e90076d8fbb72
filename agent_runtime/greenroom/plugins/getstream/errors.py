"""What can go wrong with Stream; each message names what to look at."""

from __future__ import annotations


class MissingKeyError(ValueError):
    """The edge was built without something it cannot do without."""


class StreamError(RuntimeError):
    """Stream refused something, or could not be reached for as long as we tried."""
