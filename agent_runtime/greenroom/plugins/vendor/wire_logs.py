"""The key of a websocket's handshake out of the logs: `websockets` logs each header where a program logs everything."""

from __future__ import annotations

import logging

from greenroom.plugins.vendor.keys import HIDDEN

_HEADER_SENT = "> %s: %s"
_SECRET_HEADERS = frozenset(("authorization", "proxy-authorization", "x-goog-api-key", "xi-api-key"))


class _HiddenKeys(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg == _HEADER_SENT and isinstance(record.args, tuple):
            name, *_ = record.args
            if str(name).lower() in _SECRET_HEADERS:
                record.args = (name, HIDDEN)
        return True


_FILTER = _HiddenKeys()


def hide_keys() -> None:
    """From now on, in this process. Any number of times."""
    logging.getLogger("websockets.client").addFilter(_FILTER)
