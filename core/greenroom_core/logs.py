"""Logging set up once per program: one line an event, as text or as JSON, to standard error.

What a user has set up before stays: a logger that has handlers keeps them, a level that is set is kept. Lines of a
session's tasks carry its ids, whoever logs them. Knows no program.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from greenroom_core.redaction import redactor
from greenroom_core.session_context import current, session_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["HTTP_LOGGERS", "JsonFormatter", "TextFormatter", "session_context", "set_up"]

OWN_LOGGER = "greenroom"
HTTP_LOGGERS = ("uvicorn", "uvicorn.access", "uvicorn.error", "fastapi")
PROBES = frozenset(("/health", "/ready", "/metrics"))

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_COLOURS = {"DEBUG": "\x1b[2m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[1;31m"}
_PLAIN = "\x1b[0m"


class _Formatter(logging.Formatter):
    """`clean` takes out of every text what must not be logged. Without `tracebacks` our own events are one line."""

    def __init__(self, *, clean: Callable[[str], str] = str, tracebacks: bool = True) -> None:
        super().__init__()
        self._clean = clean
        self._tracebacks = tracebacks

    def _message(self, record: logging.LogRecord) -> str:
        message = self._clean(record.getMessage())
        return message.partition("\n")[0] if self._brief(record) else message

    def _fields(self, record: logging.LogRecord) -> dict[str, object]:
        """`session` and `call` of the running session, and what the call passed in `extra`, which goes before."""
        ids = current()
        own = {} if ids is None else {"session": ids.session, "call": ids.call}
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        return {key: self._cleaned(value) for key, value in (own | extra).items()}

    def _cleaned(self, value: object) -> object:
        match value:
            case str():
                return self._clean(value)
            case dict():
                return {str(key): self._cleaned(item) for key, item in value.items()}
            case list() | tuple():
                return [self._cleaned(item) for item in value]
            case _:
                return value

    def _trace(self, record: logging.LogRecord) -> str:
        if not record.exc_info or self._brief(record):
            return ""
        return self._clean(self.formatException(record.exc_info))

    def _brief(self, record: logging.LogRecord) -> bool:
        return not self._tracebacks and record.name.partition(".")[0] == OWN_LOGGER


class TextFormatter(_Formatter):
    """`12:30:01.123 | INFO | message session=… call=…`, in local time."""

    def __init__(self, *, colour: bool = False, clean: Callable[[str], str] = str, tracebacks: bool = True) -> None:
        super().__init__(clean=clean, tracebacks=tracebacks)
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        fields = "".join(f" {key}={_quoted(value)}" for key, value in self._fields(record).items())
        line = f"{at} | {record.levelname} | {self._message(record)}{fields}"
        if trace := self._trace(record):
            line = f"{line}\n{trace}"
        colour = _COLOURS.get(record.levelname) if self._colour else None
        return f"{colour}{line}{_PLAIN}" if colour else line


def _quoted(value: object) -> str:
    """No value can end a line or pass for another field, as a call's id in a path that somebody made up would."""
    text = str(value)
    return text if text.isprintable() and " " not in text else ascii(text)


class JsonFormatter(_Formatter):
    """One JSON object a line; what a call passes in `extra` becomes its own field."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._message(record),
        }
        entry = entry | self._fields(record) | entry  # what is passed changes none of these
        if trace := self._trace(record):
            entry["exception"] = trace
        return json.dumps(entry, default=self._unknown)

    def _unknown(self, value: object) -> str:
        return self._clean(str(value))


class QuietProbes(logging.Filter):
    """Requests of the probes are no news: lines about them are logged at DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        arguments = record.args
        if not isinstance(arguments, tuple) or len(arguments) < 3:
            return True
        if str(arguments[2]).partition("?")[0] not in PROBES:
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


def set_up(
    level: str,
    style: str,
    *,
    http_level: str | None = None,
    stream: TextIO | None = None,
    clean: Callable[[str], str] | None = None,
    tracebacks: bool = True,
) -> None:
    """`level` for our own lines, `http_level` for the HTTP server's, in any case; `style` is `text` or `json`.

    `stream` is standard error unless given, `clean` takes out the secrets that the environment has now. With `json`
    also those handlers write JSON that users have set on the terminal's streams, and the root logger gets one: who asks
    for it wants each line to be an object.
    """
    clean = clean or redactor(os.environ)
    handler = logging.StreamHandler(stream or sys.stderr)
    formatter: logging.Formatter
    if style == "json":
        formatter = JsonFormatter(clean=clean, tracebacks=tracebacks)
        for other in _terminal_handlers():
            other.setFormatter(formatter)
        _serve(logging.getLogger(), handler)
    else:
        formatter = TextFormatter(colour=_takes_colour(handler.stream), clean=clean, tracebacks=tracebacks)
    handler.setFormatter(formatter)
    logging.lastResort = handler  # for loggers that nobody has set up; a later basicConfig of the user's still works
    _serve(logging.getLogger(OWN_LOGGER), handler, level)
    if http_level is not None:
        for name in HTTP_LOGGERS:
            _serve(logging.getLogger(name), handler, http_level)
        _quieten(logging.getLogger("uvicorn.access"))


def _serve(logger: logging.Logger, handler: logging.Handler, level: str | None = None) -> None:
    """Gives `logger` what it lacks. With a handler of its own its lines do not go to those above it as well."""
    if not logger.handlers:
        logger.addHandler(handler)
        logger.propagate = False
    if level is not None and logger.level == logging.NOTSET:
        logger.setLevel(level.upper())


def _quieten(logger: logging.Logger) -> None:
    if not any(isinstance(item, QuietProbes) for item in logger.filters):
        logger.addFilter(QuietProbes())


def _terminal_handlers() -> Iterator[logging.Handler]:
    known = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in known:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stderr, sys.stdout):
                yield handler


def _takes_colour(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR")
