"""Errors of an agent's code, across processes: taken apart there, put together here."""

from __future__ import annotations

from greenroom import errors
from greenroom.isolation.wire import Failure
from greenroom.redaction import described

_OURS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (errors.InvalidParameters, errors.StartTimedOut, errors.StartAbandoned)
}

# C++ libraries such as the ONNX runtime; its arena; a thread that gets no stack; the operating system.
_NO_MEMORY = ("bad_alloc", "Failed to allocate memory", "can't start new thread", "Cannot allocate memory")


class AgentCodeError(Exception):
    """What the agent's code raised in its own process.

    Its class bears the name of the original one, whose code may not even be importable here; `str` is what it said.
    """


def taken_apart(error: BaseException) -> Failure:
    """Without secrets, bounded, as in a status."""
    name = type(error).__name__
    return Failure(name, described(error).removeprefix(name).removeprefix(": "))


def put_together(failure: Failure) -> Exception:
    ours = _OURS.get(failure.type_name)
    if ours is not None:
        return ours(failure.text)
    kind: type[AgentCodeError] = type(failure.type_name, (AgentCodeError,), {"__doc__": AgentCodeError.__doc__})
    return kind(failure.text) if failure.text else kind()


def ran_out_of_memory(error: BaseException | None) -> bool:
    """Also where a TaskGroup has wrapped it, and in the words of those who raise something else for it."""
    if isinstance(error, BaseExceptionGroup):
        return any(ran_out_of_memory(inner) for inner in error.exceptions)
    if error is None or isinstance(error, MemoryError):
        return error is not None
    said = str(error)
    return any(sign in said for sign in _NO_MEMORY)
