"""What a recorder saw, and plain questions to the raw objects in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from greenroom_core.model import names
from greenroom_core.model.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    SESSION = "session"
    POD = "pod"
    RUNTIME = "runtime"


class Type(StrEnum):
    """`LISTED` and `MISSED` come of a list: what happened between them and the event before is not known."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    LISTED = "LISTED"
    MISSED = "MISSED"


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is in seconds of the recorder's own clock; `version` orders events of all kinds, as etcd does."""

    at: float
    kind: Kind
    type: Type
    version: int
    body: Mapping[str, Any]

    @property
    def uid(self) -> str:
        uid: str = self.body["metadata"]["uid"]
        return uid

    @property
    def gone(self) -> bool:
        return self.type in (Type.DELETED, Type.MISSED)


def name(body: Mapping[str, Any]) -> str:
    return str(body["metadata"]["name"])


def phase(session: Mapping[str, Any]) -> Phase:
    return Phase(status(session).get("phase", Phase.PENDING))


def status(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = body.get("status") or {}
    return found


def ended(session: Mapping[str, Any]) -> bool:
    return phase(session).terminal


def pod_uid(session: Mapping[str, Any]) -> str | None:
    """Of the pod that holds it or, once it has ended, held it."""
    return status(session).get("podUID")


def holder(session: Mapping[str, Any]) -> str | None:
    """The pod whose slot it takes up."""
    return None if ended(session) else pod_uid(session)


def attempt(session: Mapping[str, Any]) -> int:
    return int(status(session).get("attempt", 0))


def runtime_of(session: Mapping[str, Any]) -> str:
    return str(session["spec"].get("runtime", names.DEFAULT_RUNTIME))


def call_of(session: Mapping[str, Any]) -> str:
    return str(session["spec"]["callId"])


def end_asked(session: Mapping[str, Any]) -> bool:
    """Somebody wants its end: it may not be bound any more."""
    return deleting(session) or bool((session["metadata"].get("annotations") or {}).get(names.CLOSE_REQUESTED))


def deleting(body: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in body["metadata"]


def condition(body: Mapping[str, Any], type_: str) -> Mapping[str, Any] | None:
    conditions = status(body).get("conditions") or ()
    return next((item for item in conditions if item["type"] == type_), None)


def label(body: Mapping[str, Any], key: str) -> str:
    return str((body["metadata"].get("labels") or {}).get(key, ""))


def slots(pod: Mapping[str, Any]) -> int:
    return int((pod["metadata"].get("annotations") or {}).get(names.SLOTS_ANNOTATION, 0))


def open_to_sessions(pod: Mapping[str, Any]) -> bool:
    """Ready, alive and not leaving."""
    ready = condition(pod, "Ready")
    alive = status(pod).get("phase") not in ("Failed", "Succeeded")
    return alive and not deleting(pod) and ready is not None and ready["status"] == "True"
