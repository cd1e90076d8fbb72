"""What has yet to be written of one session's status: the last value of each field. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from greenroom_core.model.meta import plain
from greenroom_core.model.session import SessionStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from greenroom_core.kube.errors import Cause
    from greenroom_core.model.session import AgentSession

_NEVER_DROPPED = frozenset({"phase", "podName", "podUID"})
_ESSENTIAL = _NEVER_DROPPED | {"reason", "startedAt", "joinedAt", "endedAt"}

_attribute = {field.encode_name: field.name for field in msgspec.structs.fields(SessionStatus)}


def not_yet_applied(fields: Mapping[str, Any], status: SessionStatus) -> dict[str, Any]:
    """Those of `fields` that `status` does not show yet."""
    return {name: value for name, value in fields.items() if not _shows(status, name, value)}


def _shows(status: SessionStatus, name: str, value: Any) -> bool:
    known = getattr(status, _attribute[name])
    if value is None:
        return known is None
    try:
        wanted = msgspec.convert({name: plain(value)}, SessionStatus)
    except msgspec.ValidationError:
        return False  # what our own type refuses, the server cannot show
    return bool(getattr(wanted, _attribute[name]) == known)


def without_refused(fields: Mapping[str, Any], causes: Iterable[Cause]) -> dict[str, Any]:
    """`fields` without those that the server's causes name; where they name none, without all that can be spared."""
    refused = {name for cause in causes if (name := _top_level(cause.field)) in fields} - _NEVER_DROPPED
    if refused:
        return {name: value for name, value in fields.items() if name not in refused}
    return {name: value for name, value in fields.items() if name in _ESSENTIAL}


def _top_level(path: str) -> str:
    """`status.metrics.tts_characters__total` and `status.metrics[0]` are both `metrics`."""
    name = path.removeprefix("status.").split(".")[0]
    return name.split("[")[0]


def operations(session: AgentSession, patch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`patch` with one more test: that the phase is still the one known.

    A write without an answer may be carried out later than the next one; without this test a late `Running` would
    undo a `Closed`.
    """
    return [{"op": "test", "path": "/status/phase", "value": session.status.phase.value}, *patch]
