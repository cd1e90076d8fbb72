"""Lists in pages, and how a watch begins."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec
from tests.fakes.apiserver.answers import Failure, Object, bad_request, expired, ok
from tests.fakes.apiserver.selectors import by_fields, by_labels
from tests.fakes.apiserver.watches import Interest, Subscription

from greenroom_core.kube.transport import Answer, Request

if TYPE_CHECKING:
    from tests.fakes.apiserver.storage import Storage
    from tests.fakes.apiserver.writes import Place, Writes

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter."
)


class _Continue(msgspec.Struct):
    """What a continue token holds: the list's version, and the key to go on after."""

    rv: int
    after: tuple[str, str]


class Reads:
    """The reading half of the server."""

    def __init__(self, storage: Storage, writes: Writes) -> None:
        self._storage = storage
        self._writes = writes

    def page(self, request: Request, place: Place) -> Answer:
        """One page; every page shows the objects as they were at the first page's version."""
        query = request.query
        interest = self.interest(request, place)
        self._check_version(query.get("resourceVersion", ""))
        token = _token(query["continue"]) if query.get("continue") else None
        version = token.rv if token else self._storage.version
        if not self._storage.knows(version):
            raise expired(_TOO_OLD)
        found = [body for body in self._as_of(version, interest) if interest.matches(body)]
        if token:
            found = [body for body in found if _order(body) > token.after]
        limit = int(query.get("limit") or 0)
        page, rest = (found[:limit], found[limit:]) if limit else (found, [])
        return ok(_list_body(place, page, rest, version))

    def interest(self, request: Request, place: Place) -> Interest:
        labels = by_labels(request.query.get("labelSelector", ""))
        fields = by_fields(request.query.get("fieldSelector", ""), place.resource.selectable)
        return Interest(place.resource.naming.resource, place.namespace, lambda body: labels(body) and fields(body))

    def replay(self, request: Request, subscription: Subscription) -> None:
        """Puts what happened since the version asked for into a new watch; no version: all that there is."""
        text = request.query.get("resourceVersion", "")
        interest = subscription.interest
        subscription.start_version = self._storage.version
        if text in ("", "0"):
            for body in self._storage.within(interest.resource, interest.namespace):
                if interest.matches(body):
                    subscription.add("ADDED", body)
            return
        if not text.isdecimal():
            raise Failure(500, "", f'resourceVersion: Invalid value: "{text}": invalid syntax')
        try:
            for record in self._storage.since(int(text)):
                subscription.publish(record)
        except Failure as failure:
            subscription.fail(failure)

    def bookmark(self, place: Place, version: int) -> Object:
        return {
            "apiVersion": place.resource.api_version,
            "kind": place.resource.naming.kind,
            "metadata": {"resourceVersion": str(version)},
        }

    def _as_of(self, version: int, interest: Interest) -> list[Object]:
        """The objects at `version`: today's, with what happened since undone."""
        now = {_order(body): body for body in self._storage.within(interest.resource, interest.namespace)}
        if version < self._storage.version:
            for record in reversed([r for r in self._storage.since(version) if interest.covers(r.key)]):
                where = (record.key.namespace, record.key.name)
                if record.before is None:
                    now.pop(where, None)
                else:
                    now[where] = record.before
        return [now[where] for where in sorted(now)]

    def _check_version(self, text: str) -> None:
        if text and int(text) > self._storage.version:
            message = f"Timeout: Too large resource version: {text}, current: {self._storage.version}"
            raise Failure(504, "Timeout", message, retry_after_seconds=1)


def _order(body: Object) -> tuple[str, str]:
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _token(text: str) -> _Continue:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=_Continue)
    except (ValueError, msgspec.DecodeError):
        raise bad_request("invalid continue token: continue key is not valid") from None


def _list_body(place: Place, page: list[Object], rest: list[Object], version: int) -> Object:
    meta: Object = {"resourceVersion": str(version)}
    if rest:
        token = msgspec.json.encode(_Continue(version, _order(page[-1])))
        meta |= {"continue": base64.urlsafe_b64encode(token).decode(), "remainingItemCount": len(rest)}
    if place.resource.built_in:
        page = [{key: value for key, value in body.items() if key not in ("kind", "apiVersion")} for body in page]
    resource = place.resource
    return {
        "apiVersion": resource.api_version,
        "kind": f"{resource.naming.kind}List",
        "metadata": meta,
        "items": page,
    }
