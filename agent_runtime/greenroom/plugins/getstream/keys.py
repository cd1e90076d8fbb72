"""Who we are to Stream, from arguments or the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from greenroom.plugins.getstream.errors import MissingKeyError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_BASE_URL = "https://chat.stream-io-api.com"


@dataclass(frozen=True, slots=True)
class Keys:
    """An application of Stream. The key is known to every browser in a call, the secret to nobody but us."""

    api_key: str
    api_secret: str = field(repr=False)
    base_url: str = DEFAULT_BASE_URL

    @classmethod
    def found(
        cls,
        api_key: str | None = None,
        api_secret: str | None = None,
        base_url: str | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> Self:
        """What is not given comes from STREAM_API_KEY, STREAM_API_SECRET and STREAM_BASE_URL."""
        return cls(
            api_key or _needed("STREAM_API_KEY", "api_key", environment),
            api_secret or _needed("STREAM_API_SECRET", "api_secret", environment),
            (base_url or environment.get("STREAM_BASE_URL") or DEFAULT_BASE_URL).rstrip("/"),
        )

    def without_secret(self, text: str) -> str:
        """`text` as it may be logged."""
        return text.replace(self.api_secret, "[redacted]")


def _needed(variable: str, argument: str, environment: Mapping[str, str]) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        raise MissingKeyError(
            f"getstream.Edge needs {variable}: set it in the environment, or give the edge {argument}=; "
            "both keys are in Stream's dashboard, under your app"
        )
    return value
