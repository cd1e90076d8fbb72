"""What may be told about an error of an agent's code: its type and message, bounded, without secrets."""

from __future__ import annotations

import os
import re
import traceback
from typing import TYPE_CHECKING

from greenroom_core.model.session import MESSAGE_MAX_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL", re.IGNORECASE)
# A shorter value is no secret, and taking it out everywhere would make texts unreadable.
_SHORTEST_SECRET = 4
_NO_SECRETS = frozenset(("true", "false", "none", "null", "auto"))  # TOKENIZERS_PARALLELISM=false


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` without the values of those variables whose names look like a key, token, secret or password."""
    secrets = {
        value
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET and value.lower() not in _NO_SECRETS
    }
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


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
