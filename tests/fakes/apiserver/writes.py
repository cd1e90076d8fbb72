"""Create, update and delete: preconditions, validation, finalizers, grace, and what a write leaves untouched."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.fakes.apiserver.answers import (
    NOT_ALL_CHECKED,
    Cause,
    Failure,
    Object,
    already_exists,
    bad_request,
    invalid,
    not_found,
    precondition,
    stale,
)
from tests.fakes.apiserver.patches import same
from tests.fakes.apiserver.resources import Resource, metadata_causes, spec_changed
from tests.fakes.apiserver.storage import Key, Storage

if TYPE_CHECKING:
    from random import Random

    from greenroom_core.clock import Clock

_FROM_THE_SERVER = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")
_OMITTED_WHEN_EMPTY = ("labels", "annotations", "finalizers", "ownerReferences", "resourceVersion")
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request points: a resource, a namespace, and perhaps a name and a subresource."""

    resource: Resource
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        return Key(self.resource.naming.resource, self.namespace, self.name)


class Writes:
    """The writing half of the server. All methods take whole bodies of their own and give the stored one."""

    def __init__(self, storage: Storage, clock: Clock, random: Random) -> None:
        self._storage = storage
        self._clock = clock
        self._random = random
        # What the server shows of a new object's status are defaults; they are stored with the first update, which
        # therefore is a write even where it changes nothing that anybody can see.
        self._not_stored_whole: set[str] = set()

    def current(self, place: Place) -> Object:
        body = self._storage.get(place.key)
        if body is None:
            raise not_found(place.resource.naming, place.name)
        return body

    def create(self, place: Place, body: Object, *, dry_run: bool) -> Object:
        resource = place.resource
        self._check_type(resource, body)
        meta = body.setdefault("metadata", {})
        if meta.get("resourceVersion"):
            raise Failure(500, "", "resourceVersion should not be set on objects to be created")
        self._name(resource, meta)
        place = Place(resource, place.namespace, meta["name"])
        self._check_namespace(place)
        if self._storage.get(place.key) is not None:
            raise already_exists(resource.naming, place.name)
        body["metadata"] = self._new_metadata(resource, place, meta)
        body = resource.strategy.create({"apiVersion": resource.api_version, "kind": resource.naming.kind, **body})
        self._check(place, body, None)
        if dry_run:
            return body
        if not resource.built_in and "status" in body:
            self._not_stored_whole.add(body["metadata"]["uid"])
        return self._storage.put(place.key, body)

    def update(self, place: Place, body: Object, old: Object, *, dry_run: bool) -> Object:
        """`body` is the whole object as it shall be; a resourceVersion in it is a precondition."""
        resource = place.resource
        self._check_type(resource, body)
        meta = body.setdefault("metadata", {})
        if meta.get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
            raise stale(resource.naming, place.name)
        if meta.get("name", place.name) != place.name:
            raise bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({place.name})"
            )
        body["metadata"] = _carried_over(meta, old["metadata"])
        new = resource.strategy.update(body, old, place.subresource)
        self._check(place, new, old)
        if same(new, old) and old["metadata"]["uid"] not in self._not_stored_whole:
            return old
        return self._settle(place, new, old, dry_run=dry_run)

    def delete(self, place: Place, options: Object, *, dry_run: bool) -> tuple[Object, bool]:
        """The last body, and whether the object is gone; with finalizers or grace it only begins to leave."""
        old = self.current(place)
        self._check_preconditions(place, options.get("preconditions") or {}, old)
        asked = options.get("gracePeriodSeconds")
        grace = place.resource.strategy.grace_seconds(old, asked)
        meta = old["metadata"]
        if place.resource.naming.plural == "namespaces":
            return self._terminate_namespace(place, old), False
        if grace is None and not meta.get("finalizers"):
            return (old if dry_run else self._storage.remove(place.key)), True
        leaving = self._leaving(old, grace or 0, asked)
        if dry_run:
            return leaving, False
        stored = old if same(leaving, old) else self._storage.put(place.key, leaving)
        over = stored["metadata"]["deletionGracePeriodSeconds"] == 0 and not meta.get("finalizers")
        return (self._storage.remove(place.key), True) if over else (stored, False)

    def _settle(self, place: Place, new: Object, old: Object, *, dry_run: bool) -> Object:
        meta = new["metadata"]
        if place.resource.counts_generation and spec_changed(new, old):
            meta["generation"] = old["metadata"].get("generation", 1) + 1
        if dry_run:
            return new
        self._not_stored_whole.discard(meta["uid"])
        leaving = "deletionTimestamp" in meta and meta.get("deletionGracePeriodSeconds", 0) == 0
        if leaving and not meta.get("finalizers"):
            # As the real server has it: watchers see the body from before, the writer its own at the old version.
            self._storage.remove(place.key)
            return new
        return self._storage.put(place.key, new)

    def _check_type(self, resource: Resource, body: Object) -> None:
        kind = body.get("kind", "")
        if not resource.built_in and not kind:
            what = f"the object provided is unrecognized (must be of type {resource.naming.kind})"
            raise bad_request(f"{what}: Object 'Kind' is missing")
        if kind and kind != resource.naming.kind:
            cause = Cause("kind", f'Invalid value: "{kind}": must be {resource.naming.kind}')
            raise invalid(resource.naming, body.get("metadata", {}).get("name", ""), [cause])

    def _name(self, resource: Resource, meta: Object) -> None:
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + "".join(self._random.choice(_SUFFIX_LETTERS) for _ in range(5))
        if not meta.get("name"):
            why = "Required value: name or generateName is required"
            raise invalid(resource.naming, "", [Cause("metadata.name", why, "FieldValueRequired")])

    def _check_namespace(self, place: Place) -> None:
        if not place.resource.namespaced:
            return
        namespace = self._storage.get(Key("namespaces", "", place.namespace))
        if namespace is None:
            raise Failure(
                404,
                "NotFound",
                f'namespaces "{place.namespace}" not found',
                {"name": place.namespace, "kind": "namespaces"},
            )
        if "deletionTimestamp" in namespace["metadata"]:
            what = f'{place.resource.naming.resource} "{place.name}" is forbidden'
            why = f"unable to create new content in namespace {place.namespace} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {place.namespace} is being terminated",
                "field": "metadata.namespace",
            }
            details = place.resource.naming.details(place.name) | {"causes": [cause]}
            raise Failure(403, "Forbidden", f"{what}: {why}", details)

    def _new_metadata(self, resource: Resource, place: Place, meta: Object) -> Object:
        kept = {key: value for key, value in meta.items() if key not in _FROM_THE_SERVER and value}
        made: Object = {
            "name": place.name,
            "uid": str(uuid.UUID(int=self._random.getrandbits(128), version=4)),
            "creationTimestamp": self._now(),
        }
        if place.namespace:
            made["namespace"] = place.namespace
        if resource.counts_generation:
            made["generation"] = 1
        return {**kept, **made}

    def _check(self, place: Place, new: Object, old: Object | None) -> None:
        causes = metadata_causes(new, old) + place.resource.strategy.causes(new, old)
        if not place.resource.built_in and any(cause.blocking for cause in causes):
            causes.append(Cause("<nil>", f"Invalid value: null: {NOT_ALL_CHECKED}"))
        if causes:
            raise invalid(place.resource.naming, place.name, causes)

    def _check_preconditions(self, place: Place, asked: Object, old: Object) -> None:
        meta, naming = old["metadata"], place.resource.naming
        if asked.get("uid") and asked["uid"] != meta["uid"]:
            why = f"the UID in the precondition ({asked['uid']}) does not match the UID in record ({meta['uid']})."
            raise precondition(naming, place.name, f"{why} The object might have been deleted and then recreated")
        version = asked.get("resourceVersion")
        if version and version != meta["resourceVersion"]:
            why = f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record"
            raise precondition(
                naming, place.name, f"{why} ({meta['resourceVersion']}). The object might have been modified"
            )

    def _leaving(self, old: Object, grace: int, asked: int | None) -> Object:
        meta = dict(old["metadata"])
        if "deletionTimestamp" not in meta:
            meta["deletionTimestamp"] = self._now(grace)
            meta["deletionGracePeriodSeconds"] = grace
            if "generation" in meta:
                meta["generation"] += 1
        elif (asked is not None or grace == 0) and grace < meta["deletionGracePeriodSeconds"]:
            # A deletion under way can only be shortened, counted from where it began.
            earlier = timedelta(seconds=grace - meta["deletionGracePeriodSeconds"])
            meta["deletionTimestamp"] = _text(datetime.fromisoformat(meta["deletionTimestamp"]) + earlier)
            meta["deletionGracePeriodSeconds"] = grace
        return {**old, "metadata": meta}

    def _terminate_namespace(self, place: Place, old: Object) -> Object:
        if "deletionTimestamp" in old["metadata"]:
            return old
        meta = {**old["metadata"], "deletionTimestamp": self._now()}
        return self._storage.put(place.key, {**old, "metadata": meta, "status": {"phase": "Terminating"}})

    def _now(self, later_seconds: int = 0) -> str:
        return _text(self._clock.wall() + timedelta(seconds=later_seconds))


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _carried_over(meta: Object, before: Object) -> Object:
    """What a client may say about metadata, over what only the server may."""
    kept = {key: value for key, value in meta.items() if key not in _FROM_THE_SERVER}
    kept = {key: value for key, value in kept.items() if value or key not in _OMITTED_WHEN_EMPTY}
    fixed = {key: before[key] for key in _FROM_THE_SERVER if key in before}
    always: Object = {key: before[key] for key in ("name", "namespace", "resourceVersion") if key in before}
    return {"uid": before["uid"], **kept, **fixed, **always}
