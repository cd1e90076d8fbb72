"""The in-memory API server: requests in, answers and watches out, all on one event loop.

It stands in for what Greenroom relies on of a real one; the contract suite runs against both. Not here: admission
policies, RBAC, tokens, controllers (no garbage collection, no disruption budgets), tables.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
from tests.fakes.apiserver.answers import Cause, Failure, Object, bad_request, conflict, failed_patch, invalid, ok
from tests.fakes.apiserver.patches import merged, operated
from tests.fakes.apiserver.pods import bound_to
from tests.fakes.apiserver.reads import Reads
from tests.fakes.apiserver.resources import custom, every_resource
from tests.fakes.apiserver.routes import Routes
from tests.fakes.apiserver.scale import scale_of, scaled
from tests.fakes.apiserver.storage import Record, Storage, copied
from tests.fakes.apiserver.transport import FakeTransport
from tests.fakes.apiserver.watches import Subscription
from tests.fakes.apiserver.writes import Place, Writes
from tests.fakes.virtual_time import VirtualClock

from greenroom_core.kube.transport import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, Answer, Request, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greenroom_core.clock import Clock

HISTORY_RECORDS = 20_000


class FakeApiServer:
    """Make one inside a running loop. `transport(user)` gives each client its own way in.

    `answered` counts answers by (user, verb, resource/subresource, status). `listeners` are told of every write, at
    once and in order.
    """

    def __init__(self, clock: Clock | None = None, *, seed: int = 0, history_limit: int = HISTORY_RECORDS) -> None:
        self.clock: Clock = clock or VirtualClock()
        self.answered: Counter[tuple[str, str, str, int]] = Counter()
        self.running = True
        self.listeners: list[Callable[[Record], None]] = []
        self._subscriptions: dict[Subscription, None] = {}
        self._written_at: dict[str, int] = {}
        self._busy: dict[str, float] = {}
        self.storage = Storage(history_limit, self._published)
        self._routes = Routes(every_resource())
        self._writes = Writes(self.storage, self.clock, Random(seed))
        self._reads = Reads(self.storage, self._writes)
        for name in ("default", "kube-system"):
            self.add_namespace(name)

    def transport(self, user: str = "test") -> FakeTransport:
        return FakeTransport(self, user)

    def add_namespace(self, name: str) -> None:
        place = Place(self._routes.named("namespaces"), "", name)
        self._writes.create(place, {"metadata": {"name": name}}, dry_run=False)

    def install(self, crd: Mapping[str, Any]) -> None:
        """Serves what `crd` defines, beside AgentSession and AgentRuntime."""
        self._routes.add(custom(crd))

    def objects(self, plural: str, namespace: str = "") -> list[Object]:
        """Copies of what is stored, for a test to look at."""
        resource = self._routes.named(plural).naming.resource
        return [copied(body) for body in self.storage.within(resource, namespace)]

    def compact(self) -> None:
        """Forgets the past: watches and continue tokens from before now are answered 410."""
        self.storage.forget()

    def stop(self) -> None:
        """Refuses connections and cuts every watch, as a server that is killed; what is stored stays."""
        self.running = False
        for subscription in self._subscriptions:
            subscription.end(TransportError("connection reset by peer"))

    def start(self) -> None:
        self.running = True

    def crd_updated(self, plural: str, seconds: float = 1.0) -> None:
        """What an update of the CRD does: its watches end, its requests are answered 429 for a moment."""
        resource = self._routes.named(plural).naming.resource
        self._busy[resource] = self.clock.boot() + seconds
        for subscription in self._subscriptions:
            if subscription.interest.resource == resource:
                subscription.end()

    def handle(self, request: Request, user: str) -> Answer:
        """Carries out one request, at once and as a whole."""
        place: Place | None = None
        try:
            if answer := self._routes.health(request.path):
                return answer
            place = self._routes.place(request.path)
            self._check_busy(place)
            answer = self._dispatch(request, place)
        except Failure as failure:
            answer = failure.answer()
        if place is not None:
            self._count(request, place, user, answer.status)
        return answer

    def watch(self, request: Request) -> Subscription:
        """Opens a watch. Raises Failure."""
        place = self._routes.place(request.path)
        self._check_busy(place)
        subscription = Subscription(self._reads.interest(request, place), self.clock)
        self._reads.replay(request, subscription)
        self._subscriptions[subscription] = None
        return subscription

    def bookmark(self, request: Request, subscription: Subscription) -> Object | None:
        """The bookmark that is due: none where nothing has happened to the resource since the watch began."""
        if request.query.get("allowWatchBookmarks") != "true":
            return None
        version = self._written_at.get(subscription.interest.resource, 0)
        if version <= subscription.start_version:
            return None
        return self._reads.bookmark(self._routes.place(request.path), version)

    def unwatch(self, subscription: Subscription) -> None:
        self._subscriptions.pop(subscription, None)

    def _published(self, record: Record) -> None:
        self._written_at[record.key.resource] = record.version
        for subscription in self._subscriptions:
            subscription.publish(record)
        for listener in self.listeners:
            listener(record)

    def _check_busy(self, place: Place) -> None:
        if self.clock.boot() < self._busy.get(place.resource.naming.resource, 0.0):
            raise Failure(429, "TooManyRequests", "storage is (re)initializing", retry_after_seconds=1)

    def _count(self, request: Request, place: Place, user: str, status: int) -> None:
        verb = request.method if place.name or request.method != "GET" else "LIST"
        what = "/".join(filter(None, (place.resource.naming.plural, place.subresource)))
        self.answered[user, verb, what, status] += 1

    def _dispatch(self, request: Request, place: Place) -> Answer:
        dry_run = request.query.get("dryRun") == "All"
        if place.subresource and place.subresource not in place.resource.subresources:
            raise Failure(404, "NotFound", "the server could not find the requested resource")
        if place.subresource == "scale":
            return self._scale(request, place, dry_run=dry_run)
        match request.method:
            case "GET":
                return ok(self._writes.current(place)) if place.name else self._reads.page(request, place)
            case "POST" if place.subresource == "binding":
                return self._bind(place, _decoded(request))
            case "POST" if not place.name:
                return ok(self._writes.create(place, _decoded(request), dry_run=dry_run), 201)
            case "PUT" if place.name:
                return ok(self._put(place, _decoded(request), dry_run=dry_run))
            case "PATCH" if place.name:
                return self._patch(request, place, dry_run=dry_run)
            case "DELETE" if place.name:
                return self._delete(place, _decoded(request) if request.body else {}, dry_run=dry_run)
            case _:
                raise Failure(405, "MethodNotAllowed", "the server does not allow this method on this resource")

    def _put(self, place: Place, body: Object, *, dry_run: bool) -> Object:
        old = self._writes.current(place)
        if not body.get("metadata", {}).get("resourceVersion") and not place.resource.built_in:
            cause = Cause("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")
            raise invalid(place.resource.naming, place.name, [cause])
        return self._writes.update(place, body, old, dry_run=dry_run)

    def _patch(self, request: Request, place: Place, *, dry_run: bool) -> Answer:
        if request.content_type == APPLY_PATCH:
            return self._apply(request, place, dry_run=dry_run)
        old = self._writes.current(place)
        return ok(self._writes.update(place, _patched(request, old), old, dry_run=dry_run))

    def _apply(self, request: Request, place: Place, *, dry_run: bool) -> Answer:
        """Server-side apply in its simple form: creates or merges; it never takes anything away."""
        if not request.query.get("fieldManager"):
            raise Failure(422, "Invalid", "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
        body = _decoded(request)
        old = self.storage.get(place.key)
        if old is None:
            body.setdefault("metadata", {})["name"] = place.name
            return ok(self._writes.create(place, body, dry_run=dry_run), 201)
        return ok(self._writes.update(place, merged(copied(old), body), old, dry_run=dry_run))

    def _delete(self, place: Place, options: Object, *, dry_run: bool) -> Answer:
        body, gone = self._writes.delete(place, options, dry_run=dry_run)
        if not gone or place.resource.naming.plural == "pods":
            return ok(body)
        details = place.resource.naming.details(place.name) | {"uid": body["metadata"]["uid"]}
        return ok({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})

    def _bind(self, place: Place, binding: Object) -> Answer:
        pod = self._writes.current(place)
        why = ""
        wanted = binding.get("metadata", {}).get("uid", pod["metadata"]["uid"])
        if wanted != pod["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {pod['metadata']['uid']}"
        elif "deletionTimestamp" in pod["metadata"]:
            why = f"pod {place.name} is being deleted, cannot be assigned to a host"
        elif pod["spec"].get("nodeName"):
            why = f'pod {place.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
        if why:
            details = {"name": place.name, "kind": "pods/binding"}
            raise conflict("pods/binding", place.name, why, details)
        now = self.clock.wall().strftime("%Y-%m-%dT%H:%M:%SZ")
        self.storage.put(place.key, bound_to(pod, binding["target"]["name"], now))
        return ok({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)

    def _scale(self, request: Request, place: Place, *, dry_run: bool) -> Answer:
        whole = Place(place.resource, place.namespace, place.name)
        old = self._writes.current(whole)
        if request.method == "GET":
            return ok(scale_of(old))
        wanted = _patched(request, scaled(old)) if request.method == "PATCH" else _decoded(request)
        new = copied(old)
        new["spec"]["replicas"] = wanted["spec"]["replicas"]
        return ok(scale_of(self._writes.update(whole, new, old, dry_run=dry_run)))


def _decoded(request: Request) -> Object:
    try:
        body = msgspec.json.decode(request.body or b"")
    except msgspec.DecodeError as error:
        raise bad_request(f"the object provided is unrecognized: json parse error: {error}") from None
    if not isinstance(body, dict):
        raise bad_request("the object provided is unrecognized: not an object")
    return body


def _patched(request: Request, old: Object) -> Object:
    try:
        patch = msgspec.json.decode(request.body or b"")
    except msgspec.DecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from None
    if request.content_type == MERGE_PATCH:
        result = merged(copied(old), patch)
    elif request.content_type == JSON_PATCH:
        result = operated(copied(old), patch)
    else:
        raise Failure(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
    if not isinstance(result, dict):
        raise failed_patch()
    return result
