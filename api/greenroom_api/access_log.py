"""Keeps what opens something out of the HTTP server's own lines, which hold each request's query."""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote_plus

_LOGGER = logging.getLogger("uvicorn.access")
_SECRET = "token"
_PART = re.compile(r"(?<=[?&;])([^=&;]*)=([^&;]*)")


class WithoutTokens(logging.Filter):
    """Of a query's token the lines have the name alone, however it is written."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_PART.sub(_hidden, item) if isinstance(item, str) else item for item in record.args)
        return True


def keep_tokens_out() -> None:
    """Of all that is logged from now on; asked again, it does nothing."""
    if not any(isinstance(item, WithoutTokens) for item in _LOGGER.filters):
        _LOGGER.addFilter(WithoutTokens())


def _hidden(part: re.Match[str]) -> str:
    return f"{part[1]}=…" if unquote_plus(part[1]).strip().lower() == _SECRET else part[0]
