"""What holds for every request that an OpenAPI document allows, or just about: its answer is a documented one.

An application runs on a thread of its own, behind a real server, while schemathesis asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from typing import TYPE_CHECKING, Any

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from greenroom_api.server import Server, bind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from fastapi import FastAPI

    from greenroom_api.patience import Patience

_ONE = "/calls/{call_id}/sessions/{session_id}"
OPERATIONS = (
    "POST /calls/{call_id}/sessions",
    "GET /calls/{call_id}/sessions",
    "GET /sessions",
    f"GET {_ONE}",
    f"GET {_ONE}/metrics",
    f"GET {_ONE}/answer",
    f"DELETE {_ONE}",
    f"POST {_ONE}/close",
    "GET /health",
    "GET /ready",
    "GET /metrics",
)
WITH_INPUT = OPERATIONS[:-3]

DOCUMENTED = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
WITHOUT_5XX = [*DOCUMENTED, not_a_server_error]

few = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


class _Background(Server):
    """Says when it listens, and stops when it is told."""

    def __init__(self, app: FastAPI, patience: Patience | None) -> None:
        super().__init__(app, shutdown_seconds=1, patience=patience)
        self.listening = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@contextlib.contextmanager
def served(make: Callable[[], AbstractAsyncContextManager[FastAPI]], patience: Patience | None = None) -> Iterator[str]:
    """The URL of the application that `make` makes, on the loop that it will run on."""
    ready = threading.Event()
    servers: list[_Background] = []
    listener = bind("127.0.0.1", 0)

    async def run() -> None:
        async with make() as app:
            server = _Background(app, patience)
            servers.append(server)
            ready.set()
            await server._serve([listener])  # without signals, which belong to the main thread

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert ready.wait(20)
        assert servers[0].listening.wait(20)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for server in servers:
            server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server does not stop"


def document_of(url: str) -> Any:
    """Raises AssertionError where it has operations that OPERATIONS lacks, or the other way round."""
    document = schemathesis.openapi.from_url(f"{url}/openapi.json")
    found = {f"{operation.ok().method.upper()} {operation.ok().path}" for operation in document.get_all_operations()}
    assert found == set(OPERATIONS)
    return document


def answered(document: Any, method: str, route: str) -> set[int]:
    """The statuses that the server has answered a route with so far, by its own count."""
    page = httpx.get(document.location.replace("/openapi.json", "/metrics")).text
    counted = re.findall(r'requests_total{method="(\w+)",route="([^"]*)",status="(\d+)"}', page)
    return {int(status) for by, on, status in counted if (by, on) == (method, route)}


def check(
    document: Any, operation: str, mode: GenerationMode, checks: Sequence[Any], headers: dict[str, str] | None = None
) -> None:
    """Sends what may be asked of `operation` (mode NEGATIVE: what may not) and judges every answer."""
    method, path = operation.split(" ")

    @few
    @given(case=document[path][method].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=list(checks), headers=headers)

    ask()
