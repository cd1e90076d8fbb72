"""Takes down every change of sessions, runtime pods and AgentRuntimes in one namespace, raw, from its own watches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from tests.invariants.events import Event, Kind, Type

from greenroom_core.kube.kinds import PODS, RUNTIMES, SESSIONS
from greenroom_core.kube.transport import Request, TransportError
from greenroom_core.model import names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greenroom_core.clock import Clock
    from greenroom_core.kube.transport import Transport

_RETRY_SECONDS = 0.1
_SILENCE_SECONDS = 100.0


class _Gone(Exception):
    """The server does not know that version any more."""


class Recorder:
    """`await recorder.run()` records until cancelled; `started` is set once all three watches stand.

    `listen(callback)` has a callback called at each event, for those who wait for something.
    """

    def __init__(self, transport: Transport, namespace: str, clock: Clock) -> None:
        self.events: list[Event] = []
        self.started = asyncio.Event()
        self._transport = transport
        self._clock = clock
        self._changed = asyncio.Event()
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._sources: dict[Kind, tuple[str, dict[str, str]]] = {
            Kind.SESSION: (SESSIONS.path(namespace), {}),
            Kind.POD: (PODS.path(namespace), {"labelSelector": names.RUNTIME_LABEL}),
            Kind.RUNTIME: (RUNTIMES.path(namespace), {}),
        }
        self._known: dict[Kind, dict[str, Mapping[str, Any]]] = {kind: {} for kind in Kind}
        self._standing: set[Kind] = set()

    def sessions(self) -> list[Mapping[str, Any]]:
        """All that exist now."""
        return list(self._known[Kind.SESSION].values())

    def session(self, name: str) -> Mapping[str, Any] | None:
        return self._named(Kind.SESSION, name)

    def pods(self) -> list[Mapping[str, Any]]:
        return list(self._known[Kind.POD].values())

    def pod(self, name: str) -> Mapping[str, Any] | None:
        return self._named(Kind.POD, name)

    def runtime(self, name: str) -> Mapping[str, Any] | None:
        return self._named(Kind.RUNTIME, name)

    def history(self, name: str) -> list[Event]:
        """Every event of the sessions of that name."""
        return [e for e in self.events if e.kind is Kind.SESSION and e.body["metadata"]["name"] == name]

    async def until(self, holds: Callable[[], Any], seconds: float, what: str) -> Any:
        """Waits for `holds()` to be true, looking at each event; gives its value. AssertionError in the end."""
        try:
            async with asyncio.timeout(seconds):
                while not (value := holds()):
                    self._changed.clear()
                    await self._changed.wait()
                return value
        except TimeoutError:
            raise AssertionError(f"{what}: not in {seconds:g} s") from None

    async def until_session(self, name: str, holds: Callable[[Mapping[str, Any]], Any], seconds: float) -> Any:
        """The session as soon as `holds` of it. It is asked at each event of that session, before the next: what passes
        by is seen. TimeoutError in the end."""
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def look() -> None:
            body = self.session(name)
            if found.done() or body is None:
                return
            try:
                if holds(body):
                    found.set_result(body)
            except Exception as error:  # the waiting test's, not the recorder's
                found.set_exception(error)

        look()
        self._watchers.setdefault(name, []).append(look)
        try:
            async with asyncio.timeout(seconds):
                return await found
        finally:
            self._watchers[name].remove(look)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for kind in Kind:
                group.create_task(self._record(kind))

    async def _record(self, kind: Kind) -> None:
        version = ""
        while True:
            try:
                if not version:
                    version = await self._list(kind)
                version = await self._watch(kind, version)
            except _Gone:
                version = ""
            except TransportError:
                await self._clock.sleep(_RETRY_SECONDS)

    async def _list(self, kind: Kind) -> str:
        path, query = self._sources[kind]
        answer = await self._transport.send(Request("GET", path, query), 10.0)
        if answer.status != 200:
            raise TransportError(f"list of {kind}: {answer.status}")
        body = msgspec.json.decode(answer.body)
        version = str(body["metadata"]["resourceVersion"])
        present = {item["metadata"]["uid"] for item in body["items"]}
        for item in body["items"]:
            self._add(kind, Type.LISTED, item, int(item["metadata"]["resourceVersion"]))
        for uid, missing in list(self._known[kind].items()):
            if uid not in present:
                self._add(kind, Type.MISSED, missing, int(version))
        return version

    async def _watch(self, kind: Kind, version: str) -> str:
        path, selection = self._sources[kind]
        query = {
            **selection,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": "3600",
        }
        try:
            async with self._transport.stream(Request("GET", path, query), _SILENCE_SECONDS) as stream:
                if stream.status == 410:
                    raise _Gone
                if stream.status != 200:
                    raise TransportError(f"watch of {kind}: {stream.status}")
                self._stand(kind)
                async for line in stream.lines:
                    version = self._take(kind, line)
        except TransportError:
            # What has been seen is seen: the next watch goes on where this one was cut.
            await self._clock.sleep(_RETRY_SECONDS)
        return version

    def _take(self, kind: Kind, line: bytes) -> str:
        event = msgspec.json.decode(line)
        body = event["object"]
        if event["type"] == "ERROR":
            if body.get("code") == 410:
                raise _Gone
            raise TransportError(str(body))
        version = str(body["metadata"]["resourceVersion"])
        if event["type"] != "BOOKMARK":
            self._add(kind, Type(event["type"]), body, int(version))
        return version

    def _add(self, kind: Kind, type_: Type, body: Mapping[str, Any], version: int) -> None:
        event = Event(self._clock.boot(), kind, type_, version, body)
        self.events.append(event)
        if event.gone:
            self._known[kind].pop(event.uid, None)
        else:
            self._known[kind][event.uid] = body
        if kind is Kind.SESSION:
            for look in tuple(self._watchers.get(body["metadata"]["name"], ())):
                look()
        self._changed.set()

    def _stand(self, kind: Kind) -> None:
        self._standing.add(kind)
        if len(self._standing) == len(Kind):
            self.started.set()

    def _named(self, kind: Kind, name: str) -> Mapping[str, Any] | None:
        return next((body for body in self._known[kind].values() if body["metadata"]["name"] == name), None)
