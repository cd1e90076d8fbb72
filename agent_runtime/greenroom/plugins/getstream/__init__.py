"""Calls on Stream's network, through Stream's own SDK.

Install with the extra `getstream`. The SDK is under a licence for Stream's customers: read it before you use it,
and ship it with nothing.
"""

from __future__ import annotations

try:
    import getstream as _http_sdk  # noqa: F401 - is it there?
    import getstream_rtc as _call_sdk  # noqa: F401
except ModuleNotFoundError as missing:
    if missing.name not in ("getstream", "getstream_rtc"):
        raise
    raise ModuleNotFoundError(
        f"greenroom.plugins.getstream needs Stream's SDK, and there is no module {missing.name!r}: "
        "pip install 'greenroom[getstream]'",
        name=missing.name,
    ) from None

from greenroom.plugins.getstream.edge import Edge
from greenroom.plugins.getstream.errors import MissingKeyError, StreamError

__all__ = ["Edge", "MissingKeyError", "StreamError"]
