"""What may be told about an error of an agent's code: its type and message, bounded, without secrets."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

from greenroom_core.model.session import MESSAGE_MAX_LENGTH
from greenroom_core.redaction import REDACTED, redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["REDACTED", "bounded", "described", "redacted", "traced"]


def described(error: BaseException, environment: Mapping[str, str] = os.environ) -> str:
    """`ValueError: what it says`, at most 1024 characters, for a status that anyone may read."""
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be read)"
    name = type(error).__name__
    # Secrets go first: half a secret at the cut would no longer be recognised.
    return bounded(redacted(f"{name}: {message}" if message else name, environment))


def bounded(text: str) -> str:
    """`text` as it fits into a status message."""
    return text if len(text) <= MESSAGE_MAX_LENGTH else text[: MESSAGE_MAX_LENGTH - 1] + "…"


def traced(error: BaseException, environment: Mapping[str, str] = os.environ) -> str:
    """The whole traceback, for the log of the process that ran the agent; without secrets too."""
    return redacted("".join(traceback.format_exception(error)), environment)
