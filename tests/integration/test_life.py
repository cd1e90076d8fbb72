"""A session's whole life on the real thing, both ways in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.stack import Stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    async with Stack(control_plane, tmp_path_factory.mktemp("life")) as stack:
        yield stack


async def test_by_rest(stack: Stack) -> None:
    started = await stack.api.start("call-1")
    assert started.status == 201, started
    closed = await stack.api.close("call-1", started.session_id)
    assert closed.status == 202
    status = await stack.until_ended(started.session_id)
    assert (status["phase"], status["reason"]) == ("Closed", "CloseRequested")
