"""A program that logs everything logs no key of a websocket's handshake."""

from __future__ import annotations

import logging
import re

import pytest

from greenroom.plugins.vendor.wire_logs import hide_keys


@pytest.mark.parametrize("header", ["Authorization", "x-goog-api-key"])
def test_the_key_is_hidden_and_the_rest_is_there(header: str, caplog: pytest.LogCaptureFixture) -> None:
    hide_keys()
    hide_keys()
    caplog.set_level(logging.DEBUG)
    log = logging.getLogger("websockets.client")
    log.debug("> %s: %s", header, "Token secret-123")
    log.debug("> %s: %s", "Host", "localhost")
    log.debug("= connection is %s", "OPEN")
    first, *rest = [record.getMessage() for record in caplog.records]
    # A vendor's SDK that was imported before may have put a word of its own there.
    assert re.fullmatch(rf"> {header}: \[\w+\]", first)
    assert rest == ["> Host: localhost", "= connection is OPEN"]
