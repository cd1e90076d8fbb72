"""What an API server answers to reviews of tokens and of access: from two tables that the test writes."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from greenroom_core.kube.transport import Answer, Request, Stream, TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class FakeReviews:
    """`users` are names by token; `allowed` holds (name, verb, subresource). `asked` are the specs, in order."""

    def __init__(self) -> None:
        self.users: dict[str, str] = {}
        self.allowed: set[tuple[str, str, str]] = set()
        self.asked: list[dict[str, Any]] = []
        self.status = 201
        self.away = False

    async def send(self, request: Request, timeout_seconds: float) -> Answer:
        body = json.loads(request.body or b"{}")
        self.asked.append(body["spec"])
        if self.away:
            raise TransportError("connection refused", sent=False)
        status = self._token(body["spec"]) if body["kind"] == "TokenReview" else self._access(body["spec"])
        return Answer(self.status, json.dumps(body | {"metadata": {}, "status": status}).encode())

    @asynccontextmanager
    async def stream(self, request: Request, silence_seconds: float) -> AsyncIterator[Stream]:
        raise AssertionError("nobody watches reviews")
        yield

    def _token(self, spec: dict[str, Any]) -> dict[str, Any]:
        name = self.users.get(spec["token"])
        if name is None:
            return {"user": {}, "error": f"invalid bearer token {spec['token']}"}
        user = {"username": name, "uid": f"uid-{name}", "groups": ["people"], "extra": {"scopes": ["a"]}}
        return {"authenticated": True, "user": user, "audiences": ["here"]}

    def _access(self, spec: dict[str, Any]) -> dict[str, Any]:
        wanted = spec["resourceAttributes"]
        named = wanted["group"] == "greenroom.dev" and wanted["resource"] == "agentsessions"
        key = (spec["user"], wanted["verb"], wanted["subresource"])
        return {"allowed": named and wanted["namespace"] == "default" and key in self.allowed}
