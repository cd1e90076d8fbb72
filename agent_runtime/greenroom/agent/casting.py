"""Other parts for an agent that was built and has not joined: its functions and subscribers hold the agent itself, so
another one built from the same parts would not do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from greenroom.agent.realtime import Realtime
from greenroom.agent.turn_taking import TurnTakingSTT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from greenroom.agent.calls import Edge
    from greenroom.agent.components import Components
    from greenroom.agent.interfaces import LLM, STT, TTS, VAD, Component, FunctionSource

_EXCHANGED = ("edge", "llm", "stt", "tts", "vad", "turn_detection")


@dataclass(frozen=True, slots=True)
class Cast:
    """The parts to take; None leaves the agent's own. `text_only` leaves it without ears and voice."""

    edge: Edge | None = None
    llm: LLM | Realtime | None = None
    stt: STT | TurnTakingSTT | None = None
    tts: TTS | None = None
    vad: VAD | None = None
    text_only: bool = False
    mcp_servers: Sequence[FunctionSource] | None = None

    def taken_by(self, own: Components) -> Components:
        """`own` with these in it; the model's functions go along. ValueError if they do not fit together."""
        parts = replace(own, **self._changes())
        if not self.text_only:
            parts.check()
        if parts.llm is not own.llm:
            for tool in own.llm.toolbox.tools:
                parts.llm.toolbox.add(tool)
        return parts

    def _changes(self) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if self.text_only or isinstance(self.llm, Realtime):  # which hears and speaks itself
            changes |= {"stt": None, "tts": None, "vad": None, "turn_detection": None}
        elif isinstance(self.stt, TurnTakingSTT):  # finds the turns itself
            changes |= {"vad": None, "turn_detection": None}
        named = {name: getattr(self, name) for name in ("edge", "llm", "stt", "tts", "vad")}
        if self.mcp_servers is not None:
            changes["mcp_servers"] = tuple(self.mcp_servers)
        return changes | {name: part for name, part in named.items() if part is not None}


def left_out(own: Components, parts: Components) -> Iterator[Edge | Component]:
    """What is in `own` and in `parts` no longer."""
    for name in _EXCHANGED:
        if (part := getattr(own, name)) is not None and part is not getattr(parts, name):
            yield part
    yield from (server for server in own.mcp_servers if server not in parts.mcp_servers)
