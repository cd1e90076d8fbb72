"""The OpenAPI document of an agent's own server holds: no 5xx, and no answer that it does not tell of."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from schemathesis import GenerationMode
from tests.unit.api.properties import OPERATIONS, WITH_INPUT, WITHOUT_5XX, answered, check, document_of, served
from tests.unit.runtime.agents import AgentFile

from greenroom.launcher import AgentLauncher
from greenroom.options import ServeOptions
from greenroom.serve import fast_api
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fastapi import FastAPI

STAY_SECONDS = 2.0


@asynccontextmanager
async def short_calls() -> AsyncIterator[FastAPI]:
    async def stay(agent: Any) -> None:
        agent.join()
        await asyncio.sleep(STAY_SECONDS)

    file = AgentFile(SystemClock(), call=stay)
    launcher = AgentLauncher(file.create_agent, file.join_call, max_concurrent_sessions=3)
    yield fast_api(launcher, ServeOptions())


@pytest.fixture(scope="module")
def serve_document() -> Iterator[Any]:
    with served(short_calls) as url:
        yield document_of(url)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_may_be_asked_gets_a_documented_answer(serve_document: Any, operation: str) -> None:
    check(serve_document, operation, GenerationMode.POSITIVE, WITHOUT_5XX)


@pytest.mark.parametrize("operation", WITH_INPUT)
def test_what_may_not_be_asked_is_refused_as_documented(serve_document: Any, operation: str) -> None:
    check(serve_document, operation, GenerationMode.NEGATIVE, WITHOUT_5XX)


def test_a_start_that_nobody_waits_for_gets_a_documented_answer(serve_document: Any) -> None:
    no_wait = {"Prefer": "respond-async"}
    check(serve_document, OPERATIONS[0], GenerationMode.POSITIVE, WITHOUT_5XX, headers=no_wait)


def test_starts_of_every_kind_were_among_them(serve_document: Any) -> None:
    assert {201, 202, 400, 422, 429} <= answered(serve_document, "POST", "/calls/{call_id}/sessions")
