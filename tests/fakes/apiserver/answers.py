"""Refusals and answers in the API server's own words. Knows nothing of objects and storage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from greenroom_core.kube.transport import Answer

Object = dict[str, Any]

NOT_ALL_CHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)
_BLOCKING = {
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for a 422: `reason` is such as FieldValueInvalid."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    @property
    def blocking(self) -> bool:
        """So wrong that rules over the whole object are not tried."""
        return self.reason in _BLOCKING


@dataclass(slots=True)
class Failure(Exception):
    """A definite no (or a 429, 5xx) on its way to the client."""

    status: int
    reason: str
    message: str
    details: Object = field(default_factory=dict)
    retry_after_seconds: float | None = None

    def body(self) -> Object:
        """The `Status` object."""
        body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return body | {"code": self.status}

    def answer(self) -> Answer:
        return Answer(self.status, msgspec.json.encode(self.body()), self.retry_after_seconds)


@dataclass(frozen=True, slots=True)
class Naming:
    """How refusals name a resource: `agentsessions.greenroom.dev`, or `AgentSession.greenroom.dev`."""

    group: str
    plural: str
    kind: str

    @property
    def resource(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def details(self, name: str, *, by_kind: bool = False) -> Object:
        entries = {"name": name, "group": self.group, "kind": self.kind if by_kind else self.plural}
        return {key: value for key, value in entries.items() if value}


def ok(body: Object, status: int = 200) -> Answer:
    return Answer(status, msgspec.json.encode(body))


def bad_request(message: str) -> Failure:
    return Failure(400, "BadRequest", message)


def not_found(naming: Naming, name: str) -> Failure:
    return Failure(404, "NotFound", f'{naming.resource} "{name}" not found', naming.details(name))


def already_exists(naming: Naming, name: str) -> Failure:
    return Failure(409, "AlreadyExists", f'{naming.resource} "{name}" already exists', naming.details(name))


def stale(naming: Naming, name: str) -> Failure:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(naming.resource, name, why, naming.details(name))


def conflict(what: str, name: str, why: str, details: Object) -> Failure:
    return Failure(409, "Conflict", f'Operation cannot be fulfilled on {what} "{name}": {why}', details)


def precondition(naming: Naming, name: str, why: str) -> Failure:
    return conflict(naming.qualified_kind, name, why, naming.details(name, by_kind=True))


def failed_patch() -> Failure:
    """A JSON patch that does not apply, a failed `test` among them: no causes."""
    return Failure(422, "Invalid", "the server rejected our request due to an error in our request")


def expired(message: str) -> Failure:
    return Failure(410, "Expired", message)


def invalid(naming: Naming, name: str, causes: list[Cause]) -> Failure:
    lines = [f"{cause.field}: {cause.message}" for cause in causes]
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    listed = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    details = naming.details(name, by_kind=True) | {"causes": listed}
    return Failure(422, "Invalid", f'{naming.qualified_kind} "{name}" is invalid: {text}', details)
