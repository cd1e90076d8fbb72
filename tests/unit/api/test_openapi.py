"""The OpenAPI document of the cluster's API holds: no answer that it does not tell of, however a start ends."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from schemathesis import GenerationMode
from tests.unit.api.properties import DOCUMENTED, OPERATIONS, WITH_INPUT, answered, check, document_of, served
from tests.unit.api.rig import NAMESPACE, rig

from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import KubeError
from greenroom_core.kube.feed import Feed
from greenroom_core.kube.kinds import SESSIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fastapi import FastAPI
    from tests.unit.api.rig import Rig

    from greenroom_core.kube.feed import Change
    from greenroom_core.model.session import AgentSession

REFUSALS = ("MaxSessionsPerCall", "StartDeadline", "NoCapacity", "InvalidSpec")
ENDINGS = ("", "", "", "AgentError", *REFUSALS, "CloseRequested")


STARTS_THAT_FAILED = ("Failed to start agent", "No free slot came in time; no agent was started")


def no_bug_of_ours(context: Any, response: Any, case: Any) -> None:
    """A start's failure may be a 5xx, and nothing else may."""
    assert response.status_code < 500 or response.json()["detail"] in STARTS_THAT_FAILED, response.text


class Fate:
    """Every session that comes gets its turn of ENDINGS; the empty one is an agent that runs."""

    def __init__(self, api: Rig) -> None:
        self._operator = api.operator
        self._came: asyncio.Queue[AgentSession] = asyncio.Queue()
        self._feed = Feed(self._operator.client, SESSIONS, Selection(NAMESPACE), self._changed)

    def _changed(self, change: Change[AgentSession]) -> None:
        if change.old is None and change.new is not None:
            self._came.put_nowait(change.new)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed.run())
            group.create_task(self._decide())

    async def _decide(self) -> None:
        number = 0
        while True:
            session = await self._came.get()
            number += 1
            ending = ENDINGS[number % len(ENDINGS)]
            try:
                if ending:
                    await self._operator.end(session, ending)
                else:
                    await self._operator.run_at_once(session)
            except KubeError:
                continue  # it was withdrawn meanwhile


@asynccontextmanager
async def with_fates() -> AsyncIterator[FastAPI]:
    async with rig(limits={"maxConcurrentSessions": 500}) as api:
        api.app.state.backend_entered = True  # by the rig
        deciding = asyncio.create_task(Fate(api).run())
        try:
            yield api.app
        finally:
            deciding.cancel()
            await asyncio.gather(deciding, return_exceptions=True)


@pytest.fixture(scope="module")
def cluster_document() -> Iterator[Any]:
    with served(with_fates) as url:
        yield document_of(url)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_may_be_asked_gets_a_documented_answer(cluster_document: Any, operation: str) -> None:
    check(cluster_document, operation, GenerationMode.POSITIVE, [*DOCUMENTED, no_bug_of_ours])


@pytest.mark.parametrize("operation", WITH_INPUT)
def test_what_may_not_be_asked_is_refused_as_documented(cluster_document: Any, operation: str) -> None:
    check(cluster_document, operation, GenerationMode.NEGATIVE, [*DOCUMENTED, no_bug_of_ours])


def test_a_start_that_nobody_waits_for_gets_a_documented_answer(cluster_document: Any) -> None:
    no_wait = {"Prefer": "respond-async"}
    check(cluster_document, OPERATIONS[0], GenerationMode.POSITIVE, [*DOCUMENTED, no_bug_of_ours], headers=no_wait)


def test_starts_of_every_kind_were_among_them(cluster_document: Any) -> None:
    assert {201, 202, 400, 409, 422, 429, 500, 503} <= answered(cluster_document, "POST", "/calls/{call_id}/sessions")
