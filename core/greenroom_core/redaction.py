"""Secrets of the environment, taken out of texts that others read: statuses, logs, answers."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL", re.IGNORECASE)
# A shorter value is no secret, and taking it out everywhere would make texts unreadable.
_SHORTEST_SECRET = 4
_NO_SECRETS = frozenset(("true", "false", "none", "null", "auto"))  # TOKENIZERS_PARALLELISM=false


def redactor(environment: Mapping[str, str]) -> Callable[[str], str]:
    """Takes the values out of texts that those variables have now whose names look like a key, token, secret or
    password. Made once, it costs next to nothing a text."""
    secrets = {
        value
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET and value.lower() not in _NO_SECRETS
    }
    if not secrets:
        return str
    pattern = re.compile("|".join(re.escape(secret) for secret in sorted(secrets, key=len, reverse=True)))
    return lambda text: pattern.sub(REDACTED, text)


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` without the secrets that the environment has at this moment."""
    return redactor(environment)(text)
