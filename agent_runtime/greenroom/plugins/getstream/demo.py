"""Stream's demo page, where a person joins the agent's call from a browser."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PAGE = "https://getstream.io/video/demos"
HUMAN_ID = "user-demo-agent"
HUMAN_NAME = "Human User"
TOKEN_SECONDS = 3600


def demo_url(api_key: str, call_id: str, token: str, environment: Mapping[str, str] = os.environ) -> str:
    """The page with everything it wants; EXAMPLE_BASE_URL names another one than Stream's own."""
    page = environment.get("EXAMPLE_BASE_URL") or DEFAULT_PAGE
    asked = {
        "api_key": api_key,
        "token": token,
        "skip_lobby": "true",
        "user_name": HUMAN_NAME,
        "video_encoder": "h264",
        "bitrate": 12_000_000,
        "w": 1920,
        "h": 1080,
        "channel_type": "messaging",
    }
    return f"{page.rstrip('/')}/join/{quote(call_id, safe='')}?{urlencode(asked)}"
