"""Sessions to put into a registry."""

from __future__ import annotations

import time
from dataclasses import replace

from greenroom.registry import SessionInfo
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason


def info(session_id: str, call_id: str = "call", node_id: str = "a") -> SessionInfo:
    now = time.time()
    return SessionInfo(session_id, call_id, node_id, now, now, created_at=now)


def ended(session: SessionInfo, reason: EndReason = EndReason.FINISHED) -> SessionInfo:
    return replace(session, phase=Phase.CLOSED, reason=reason, ended_at=time.time())


def ids(infos: list[SessionInfo]) -> set[str]:
    return {one.session_id for one in infos}
