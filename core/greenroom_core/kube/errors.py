"""What can come of a request, split by what the caller does about it.

KubeError
├── Refused            the server said no; nothing was changed
│   ├── NotFound       404
│   ├── Conflict       409: read, then decide again
│   │   └── AlreadyExists
│   ├── Expired        410: the version asked for is gone, list again
│   ├── Invalid        422: a failed JSON-patch test (no causes) or a schema refusal (causes)
│   └── Denied         401, 403: never a verdict about an object
├── Unanswered         no definite answer: the write may have been carried out
└── Withheld           not sent: the caller's permit has run out
"""

from __future__ import annotations

from dataclasses import dataclass


class KubeError(Exception):
    """Base of all."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of a refusal's `details.causes`: which field, and why."""

    field: str
    message: str


class Refused(KubeError):
    """A definite no. `status` is the HTTP code, `reason` and `message` the server's own words."""

    def __init__(self, status: int, reason: str, message: str, causes: tuple[Cause, ...] = ()) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes


class NotFound(Refused):
    pass


class Conflict(Refused):
    pass


class AlreadyExists(Conflict):
    pass


class Expired(Refused):
    pass


class Invalid(Refused):
    pass


class Denied(Refused):
    pass


class Unanswered(KubeError):
    """Timeout, cut connection, 5xx, or throttled past the deadline."""


class Withheld(KubeError):
    """The permit to write had run out at the moment of sending; nothing left this process."""


_BY_STATUS: dict[int, type[Refused]] = {
    401: Denied,
    403: Denied,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: Invalid,
}


def refusal(status: int, reason: str, message: str, causes: tuple[Cause, ...] = ()) -> Refused:
    """The error that stands for a 4xx answer."""
    if status == 409 and reason == "AlreadyExists":
        return AlreadyExists(status, reason, message, causes)
    return _BY_STATUS.get(status, Refused)(status, reason, message, causes)
