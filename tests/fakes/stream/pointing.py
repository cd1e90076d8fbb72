"""Points the SDK of this process at the fake.

The coordinator's HTTP address is a parameter of the SDK; the address of its websocket is fixed inside the binary
unless the client is made with one, so the making is wrapped. Nothing else of the SDK is touched.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING

import getstream_rtc

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def pointed_at(ws_url: str) -> Iterator[None]:
    """Within the block, clients of the SDK connect to `ws_url`."""
    real = getstream_rtc.Client
    getstream_rtc.Client = functools.partial(real, ws_url=ws_url)  # type: ignore[misc]
    try:
        yield
    finally:
        getstream_rtc.Client = real  # type: ignore[misc]
