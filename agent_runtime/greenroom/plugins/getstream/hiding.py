"""Keeps the key out of the log of the HTTP library below Stream's SDK, which logs whole addresses."""

from __future__ import annotations

import logging


class _Hiding(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.hidden: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if any(value in text for value in self.hidden):
            for value in self.hidden:
                text = text.replace(value, "[redacted]")
            record.msg, record.args = text, ()
        return True


_hiding = _Hiding()


def hide(value: str) -> None:
    """From now on `value` is not in what `httpx` logs. For the whole process."""
    _hiding.hidden.add(value)
    logging.getLogger("httpx").addFilter(_hiding)  # the same filter is added once
