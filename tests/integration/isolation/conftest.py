"""A warm stock of the test's own; with its end all of its processes have to be gone."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.integration.isolation import agents
from tests.integration.isolation.stage import descendants

from greenroom.isolation import ProcessStock, RecipeSource
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    MakeStock = Callable[..., AbstractAsyncContextManager[ProcessStock]]

if sys.platform != "linux":
    pytest.skip("looks at processes in /proc", allow_module_level=True)


@asynccontextmanager
async def _stock(create_agent: Any = agents.create_agent, *, warm: bool = True, **options: Any) -> Any:
    before = descendants(os.getpid())
    options = {"blocked_loop_seconds": 2.0} | options
    stock = ProcessStock(RecipeSource(create_agent, agents.join_call), SystemClock(), **options)
    try:
        if warm:
            await stock.warm_up()
        yield stock
    finally:
        async with asyncio.timeout(60):
            await stock.close()
    assert descendants(os.getpid()) <= before


@pytest.fixture
def make_stock() -> MakeStock:
    return _stock


@pytest_asyncio.fixture
async def stock() -> AsyncIterator[ProcessStock]:
    async with _stock() as stock:
        yield stock


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"
