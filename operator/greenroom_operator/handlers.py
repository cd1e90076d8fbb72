"""kopf's part: settings, login, start, stop, probe, and the events of AgentRuntime.

AgentRuntimes are tens of objects, so kopf watches them. Sessions and runtime pods are thousands; they come in
through feeds of our own, and no handler of theirs is ever registered here.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import aiohttp
import kopf
import msgspec

from greenroom_core.model import names
from greenroom_core.model.runtime import AgentRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from greenroom_core.kube.auth import Credentials
    from greenroom_operator.shell import Shell


class NoDiffs(kopf.DiffBaseStorage):
    """Writes no copy of an object's configuration onto it: no handler here asks for a difference."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return None


class NoProgress(kopf.ProgressStorage):
    """Keeps no handler's progress on objects: event handlers have none."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


class Patience:
    """Seconds between the tries of a request of kopf's, without an end: one that gives up ends the whole process, and a
    server that starts answers 503 for a while."""

    def __iter__(self) -> Iterator[float]:
        return chain((0.2, 1.0, 2.0), repeat(5.0))


def configure(settings: kopf.OperatorSettings) -> None:
    """kopf writes nothing on any object and posts no event."""
    settings.persistence.diffbase_storage = NoDiffs()
    settings.persistence.progress_storage = NoProgress()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = Patience()
    settings.queueing.error_delays = (0.5, 1, 2, 5)
    settings.queueing.idle_timeout = 0.5
    settings.watching.server_timeout = 300
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)


def connection(who: Credentials) -> kopf.AiohttpSession:
    """Our credentials as kopf takes them; it closes the session. The token is asked at every request, as at our own
    door: kopf itself would keep the first one until it is refused."""

    async def with_token(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if token := who.token():
            request.headers["Authorization"] = f"Bearer {token}"
        return await send(request)

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=who.tls), middlewares=(with_token,))
    return kopf.AiohttpSession(server=who.server, default_namespace=who.namespace, aiohttp_session=session)


def register(registry: kopf.OperatorRegistry, shell: Shell) -> None:
    """Hangs the program into kopf."""

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)
        await shell.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await shell.stop()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return connection(shell.credentials)

    @kopf.on.probe(registry=registry, id="loop")
    async def probe(**_: Any) -> str:
        """The loop turns, or this would not answer; a program that has ended is a reason to be restarted."""
        if shell.failed:
            raise kopf.PermanentError("the operator's program has ended")
        return "turning"

    @kopf.on.event(names.GROUP, names.VERSION, "agentruntimes", registry=registry)
    async def runtime_event(event: Mapping[str, Any], **_: Any) -> None:
        body = event["object"]
        if event["type"] == "DELETED":
            meta = body["metadata"]
            shell.operator.runtime_gone(meta["namespace"], meta["name"], meta["uid"])
        else:
            shell.operator.observe_runtime(msgspec.convert(dict(body), AgentRuntime, strict=False))
        await asyncio.sleep(0)
