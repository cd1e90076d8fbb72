"""Other parts for an agent that was built and has not joined: the test's edge, and what the test brings of the rest.

The one module of the kit that reaches into :class:`greenroom.agent.Agent`: its functions and subscribers hold the agent
itself, so another one built from the same parts would not do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from greenroom.agent.turn_taking import TurnTakingSTT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from greenroom.agent import LLM, STT, TTS, VAD, Agent, Edge


@dataclass(frozen=True, slots=True)
class Cast:
    """The test's parts; None leaves the agent's own. `text_only` leaves it without ears and voice."""

    edge: Edge
    llm: LLM | None = None
    stt: STT | TurnTakingSTT | None = None
    tts: TTS | None = None
    vad: VAD | None = None
    text_only: bool = False


def recast(agent: Agent, cast: Cast) -> list[Callable[[], Awaitable[object]]]:
    """Put `cast` into `agent`; how to close the parts that it has no longer."""
    own = agent._parts
    parts = replace(own, **_changes(cast))
    if not cast.text_only:
        parts.check()
    if parts.llm is not own.llm:
        for tool in own.llm.toolbox.tools:
            parts.llm.toolbox.add(tool)
    for name in ("llm", "stt", "tts", "vad"):
        if (part := getattr(parts, name)) is not None and part is not getattr(own, name):
            part.metrics.merge(agent._collector)
    agent._parts = agent._attendance._parts = parts
    return [
        part.close
        for name in ("edge", "llm", "stt", "tts", "vad", "turn_detection")
        if (part := getattr(own, name)) is not None and part is not getattr(parts, name)
    ]


def is_closing(agent: Agent) -> bool:
    """Whether the agent is on its way out, or out."""
    return agent._closing is not None


def _changes(cast: Cast) -> dict[str, Any]:
    changes: dict[str, Any] = {"edge": cast.edge}
    if cast.text_only:
        changes |= {"stt": None, "tts": None, "vad": None, "turn_detection": None}
    elif isinstance(cast.stt, TurnTakingSTT):  # finds the turns itself
        changes |= {"vad": None, "turn_detection": None}
    return changes | {name: part for name in ("llm", "stt", "tts", "vad") if (part := getattr(cast, name)) is not None}
