"""The document of an API that asks who its callers are: who gets in how, and that its answers are those it tells of."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from schemathesis import GenerationMode
from tests.fakes.virtual_time import VirtualClock
from tests.unit.api.auth.test_doorkeeper import ANN, bearer, keeper
from tests.unit.api.properties import OPERATIONS, WITH_INPUT, WITHOUT_5XX, check, document_of, served
from tests.unit.api.rig import rig, virtual

from greenroom_api.auth.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fastapi import FastAPI


@virtual
async def test_what_asks_for_a_token_says_so_and_what_does_not_does_not() -> None:
    async with rig(keeper()) as here:
        document = (await here.http.get("/openapi.json")).json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "closeToken"}
    for name in OPERATIONS:
        method, path = name.split(" ")
        operation = document["paths"][path][method.lower()]
        if name not in WITH_INPUT:
            assert "security" not in operation, name
            continue
        ways = [scheme for way in operation["security"] for scheme in way]
        assert ways == (["bearer", "closeToken"] if path.endswith("/close") else ["bearer"]), name
        assert {"401", "403", "429", "503"} <= set(operation["responses"]), name
        assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]
        assert "Retry-After" in operation["responses"]["429"]["headers"]
    start = document["paths"]["/calls/{call_id}/sessions"]["post"]["responses"]
    assert "Greenroom-Close-Token" in start["201"]["headers"]
    assert "Greenroom-Close-Token" in start["202"]["headers"]


@virtual
async def test_where_nobody_is_asked_for_nothing_is_told_of_tokens() -> None:
    async with rig() as here:
        document = (await here.http.get("/openapi.json")).json()
    assert "securitySchemes" not in document["components"]
    assert all("security" not in one for path in document["paths"].values() for one in path.values())


@contextlib.asynccontextmanager
async def impatient() -> AsyncIterator[FastAPI]:
    """It takes two hundred requests of a caller, and no more."""
    async with rig(keeper(throttle=Throttle(VirtualClock(), per_second=0.001, burst=200))) as here:
        here.app.state.backend_entered = True  # by the rig
        yield here.app


@pytest.fixture(scope="module")
def document() -> Iterator[Any]:
    with served(impatient) as url:
        yield document_of(url)


@pytest.mark.parametrize("operation", WITH_INPUT)
def test_a_stranger_s_answers_are_documented(document: Any, operation: str) -> None:
    check(document, operation, GenerationMode.POSITIVE, WITHOUT_5XX)


@pytest.mark.parametrize(
    "operation", [name for name in WITH_INPUT if not name.startswith("POST /calls/{call_id}/sess")]
)
def test_and_those_of_a_caller_who_asks_too_often(document: Any, operation: str) -> None:
    check(document, operation, GenerationMode.POSITIVE, WITHOUT_5XX, headers=bearer(ANN))
