"""Reads and writes of objects, over a transport.

Reads are repeated until their deadline. Writes are repeated only where the server certainly has not carried them
out (429, or nothing was sent); any other doubt is :class:`Unanswered`, for the caller knows its precondition.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import msgspec

from greenroom_core.kube import transport
from greenroom_core.kube.errors import Cause, Expired, KubeError, Unanswered, Withheld, refusal
from greenroom_core.kube.kinds import Kind, Loose, R, encode, kind
from greenroom_core.kube.transport import Answer, Request, TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from greenroom_core.world import World

logger = logging.getLogger("greenroom.core.client")

LIST_PAGE_OBJECTS = 500
_BACKOFF_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class _Causes(msgspec.Struct):
    field: str = ""
    message: str = ""


class _Details(msgspec.Struct):
    causes: list[_Causes] = []


class Status(msgspec.Struct):
    """The API server's `Status` object."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _ListBody(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class WatchEvent(msgspec.Struct):
    """One line of a watch; `object` is decoded by what `type` says."""

    type: str
    object: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Part of a list; `version` is the version of the whole list, the same on every page.

    `unreadable` are the uids of objects that are there, but not as this program knows its kind.
    """

    items: Sequence[R]
    version: str
    token: str
    unreadable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind: an empty namespace means all of them."""

    namespace: str | None = None
    labels: str = ""
    fields: str = ""

    def query(self) -> dict[str, str]:
        pairs = {"labelSelector": self.labels, "fieldSelector": self.fields}
        return {name: value for name, value in pairs.items() if value}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object that does not decode: written by a newer version, or past its schema."""

    uid: str
    version: str


_any_object: Kind[Loose] = kind("", "objects", Loose)


def readable(kind: Kind[R], raw: msgspec.Raw | bytes) -> R | Unreadable:
    """The object; one that does not decode is logged, and never takes a program down with it."""
    try:
        return kind.decoder.decode(raw)
    except msgspec.ValidationError as error:
        meta = _any_object.decoder.decode(raw).metadata
        logger.error("%s %s cannot be read and is passed over: %s", kind.plural, meta.key, error)
        return Unreadable(meta.uid, meta.resource_version)


_status = msgspec.json.Decoder(Status)
_list_body = msgspec.json.Decoder(_ListBody)
_watch_event = msgspec.json.Decoder(WatchEvent)


def _always() -> bool:
    return True


class KubeClient:
    """The client of one program.

    `permit` is asked at the moment of each send of a write; False raises :class:`Withheld`. `requests_limit` bounds
    the requests under way, watches apart. `on_answer(verb, plural, status, seconds)` is told of every answer;
    status 0 means none came.
    """

    def __init__(
        self,
        world: World,
        *,
        requests_limit: int = 64,
        deadline_seconds: float = 15.0,
        permit: Callable[[], bool] = _always,
        on_answer: Callable[[str, str, int, float], None] | None = None,
    ) -> None:
        self.world = world
        self._slots = asyncio.Semaphore(requests_limit)
        self._deadline_seconds = deadline_seconds
        self._permit = permit
        self._on_answer = on_answer

    async def get(self, kind: Kind[R], namespace: str | None, name: str, subresource: str = "") -> R:
        """A quorum read. Raises NotFound and the other refusals; Unanswered after the deadline."""
        request = Request("GET", kind.path(namespace, name, subresource))
        return kind.decoder.decode(await self._read(request, kind.plural))

    async def newest_version(self, kind: Kind[R], selection: Selection) -> str:
        """The version that a quorum list would have now."""
        return (await self.page(kind, selection, objects=1)).version

    async def page(
        self, kind: Kind[R], selection: Selection, token: str = "", *, objects: int | None = None
    ) -> Page[R]:
        """One page of a quorum list; `token` is the previous page's. Raises Expired when it is too old."""
        query = {**selection.query(), "limit": str(objects or LIST_PAGE_OBJECTS)}
        if token:
            query["continue"] = token
        request = Request("GET", kind.path(selection.namespace), query)
        body = _list_body.decode(await self._read(request, kind.plural, verb="LIST"))
        items, unreadable = [], set()
        for raw in body.items or ():
            item = readable(kind, raw)
            if isinstance(item, Unreadable):
                unreadable.add(item.uid)
            else:
                items.append(item)
        return Page(items, body.metadata.resource_version, body.metadata.continue_, frozenset(unreadable))

    async def list(self, kind: Kind[R], selection: Selection) -> Page[R]:
        """All pages as one, at one version; starts again when the server forgot that version meanwhile."""
        while True:
            try:
                page = await self.page(kind, selection)
                items, unreadable = list(page.items), page.unreadable
                while page.token:
                    page = await self.page(kind, selection, page.token)
                    items += page.items
                    unreadable |= page.unreadable
                return Page(items, page.version, "", unreadable)
            except Expired:
                continue

    async def create(self, kind: Kind[R], namespace: str | None, body: object, subresource: str = "") -> R:
        """POST. `body` is a struct or dictionaries with apiVersion and kind; `subresource` is `name/sub`."""
        path = kind.path(namespace) + (f"/{subresource}" if subresource else "")
        return kind.decoder.decode(await self._write(Request("POST", path, body=encode(body)), kind.plural))

    async def merge_patch(
        self,
        kind: Kind[R],
        namespace: str | None,
        name: str,
        patch: Mapping[str, Any],
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> R:
        """A merge patch; a `metadata.resourceVersion` in it is its precondition."""
        request = Request(
            "PATCH",
            kind.path(namespace, name, subresource),
            {"dryRun": "All"} if dry_run else {},
            encode(patch),
            transport.MERGE_PATCH,
        )
        return kind.decoder.decode(await self._write(request, kind.plural))

    async def json_patch(
        self,
        kind: Kind[R],
        namespace: str | None,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        subresource: str = "",
    ) -> R:
        """A JSON patch; its `test` operations are its precondition (Invalid without causes when one fails)."""
        path = kind.path(namespace, name, subresource)
        request = Request("PATCH", path, {}, encode(operations), transport.JSON_PATCH)
        return kind.decoder.decode(await self._write(request, kind.plural))

    async def dry_run_create(self, kind: Kind[R], namespace: str, body: object) -> None:
        """Has the server judge `body` (schema, admission, quota) without keeping it."""
        request = Request("POST", kind.path(namespace), {"dryRun": "All"}, encode(body))
        await self._write(request, kind.plural)

    async def apply(self, kind: Kind[R], namespace: str | None, name: str, body: object, *, manager: str) -> R:
        """Server-side apply: creates or brings to what `body` says."""
        query = {"fieldManager": manager, "force": "true"}
        request = Request("PATCH", kind.path(namespace, name), query, encode(body), transport.APPLY_PATCH)
        return kind.decoder.decode(await self._write(request, kind.plural))

    async def delete(
        self,
        kind: Kind[R],
        namespace: str | None,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        grace_period_seconds: int | None = None,
    ) -> None:
        """DELETE with the preconditions given; Conflict when they do not hold."""
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {key: value for key, value in preconditions.items() if value},
        }
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        await self._write(Request("DELETE", kind.path(namespace, name), body=encode(options)), kind.plural)

    @asynccontextmanager
    async def watch(
        self, kind: Kind[R], selection: Selection, version: str, *, silence_seconds: float = 150.0
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """Events after `version`. Raises refusals (Expired: list again) and Unanswered when it breaks.

        A bookmark is due each minute, but the server leaves out the first where nothing happens to the resource.
        """
        query = {
            **selection.query(),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(self.world.random.randint(300, 600)),
        }
        request = Request("GET", kind.path(selection.namespace), query)
        try:
            async with self.world.transport.stream(request, silence_seconds) as stream:
                if stream.status != 200:
                    body = b"".join([line async for line in stream.lines])
                    raise _error(Answer(stream.status, body))
                yield _events(stream.lines)
        except TransportError as error:
            raise Unanswered(str(error)) from error

    async def _read(self, request: Request, plural: str, verb: str = "GET") -> bytes:
        return await self._until_answered(request, plural, verb, repeat_unanswered=True)

    async def _write(self, request: Request, plural: str) -> bytes:
        return await self._until_answered(request, plural, request.method, repeat_unanswered=False)

    async def _until_answered(self, request: Request, plural: str, verb: str, *, repeat_unanswered: bool) -> bytes:
        give_up = self.world.clock.boot() + self._deadline_seconds
        for attempt in range(1_000_000):
            try:
                answer = await self._once(request, plural, verb, guarded=not repeat_unanswered)
                if answer.status < 300:
                    return answer.body
                if answer.status != 429 and not (answer.status >= 500 and repeat_unanswered):
                    raise _error(answer)
                problem: str = f"{answer.status} {answer.body[:200].decode(errors='replace')}"
                pause = answer.retry_after_seconds or 0.0
            except TransportError as error:
                if error.sent and not repeat_unanswered:
                    raise Unanswered(f"{verb} {request.path}: {error}") from error
                problem, pause = str(error), 0.0
            pause = max(min(pause, 2.0), _BACKOFF_SECONDS[min(attempt, len(_BACKOFF_SECONDS) - 1)])
            pause *= 0.75 + self.world.random.random() / 2
            if self.world.clock.boot() + pause >= give_up:
                raise Unanswered(f"{verb} {request.path}: no answer in {self._deadline_seconds:g} s: {problem}")
            await self.world.clock.sleep(pause)
        raise AssertionError("unreachable: the deadline ends the loop")

    async def _once(self, request: Request, plural: str, verb: str, *, guarded: bool) -> Answer:
        async with self._slots:
            if guarded and not self._permit():
                raise Withheld(f"{verb} {request.path}: this process may not write now")
            begun = self.world.clock.boot()
            status = 0
            try:
                answer = await self.world.transport.send(request, self._deadline_seconds)
                status = answer.status
                return answer
            finally:
                if self._on_answer is not None:
                    self._on_answer(verb, plural, status, self.world.clock.boot() - begun)


async def _events(lines: AsyncIterator[bytes]) -> AsyncIterator[WatchEvent]:
    async for line in lines:
        event = _watch_event.decode(line)
        if event.type == "ERROR":
            raise _error(Answer(_status.decode(event.object).code or 500, bytes(event.object)))
        yield event


def _error(answer: Answer) -> KubeError:
    try:
        status = _status.decode(answer.body)
    except msgspec.DecodeError:
        status = Status(message=answer.body[:200].decode(errors="replace"))
    if answer.status >= 500 or answer.status == 429:
        return Unanswered(f"{answer.status} {status.reason}: {status.message}")
    causes = tuple(Cause(cause.field, cause.message) for cause in status.details.causes) if status.details else ()
    return refusal(answer.status, status.reason, status.message, causes)
