"""What is said in a call, as lines to be shown: both sides, functions called, how long the user waited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom.agent.events import (
    AgentErrorEvent,
    AgentTranscriptEvent,
    AgentTurnEndedEvent,
    AgentTurnStartedEvent,
    ToolCalledEvent,
    UserTranscriptEvent,
)
from greenroom.redaction import described

if TYPE_CHECKING:
    from collections.abc import Callable

Told = (
    UserTranscriptEvent
    | AgentTranscriptEvent
    | AgentTurnStartedEvent
    | AgentTurnEndedEvent
    | ToolCalledEvent
    | AgentErrorEvent
)

_LONGEST = 200


class Transcript:
    """Subscribe :meth:`hear` to an agent; each line goes to `show`.

    `echoes`: what is typed is on the screen already.
    """

    def __init__(self, show: Callable[[str], None], *, echoes: bool) -> None:
        self._show = show
        self._echoes = echoes
        self._typed: list[str] = []
        self._waits: dict[str, float] = {}

    def expect(self, text: str) -> None:
        """`text` was typed: the transcript of the agent will have it."""
        self._typed.append(text)

    def hear(self, event: Told) -> None:
        match event:
            case UserTranscriptEvent(text=text, final=True):
                self._show_user(text)
            case AgentTranscriptEvent(text=text, response_seconds=seconds):
                self._wait("first words", seconds)
                self._show(f"agent: {text}")
            case AgentTurnStartedEvent(response_seconds=seconds):
                self._wait("first sound", seconds)
            case ToolCalledEvent():
                self._show(_called(event))
            case AgentTurnEndedEvent(interrupted=interrupted):
                self._show_end(interrupted)
            case AgentErrorEvent(part=part, error=error):
                self._show(f"  ! {part} failed: {_short(described(error))}")
            case _:
                pass  # speech as it is being recognised

    def _show_user(self, text: str) -> None:
        typed = text in self._typed
        if typed:
            self._typed.remove(text)
        if not (typed and self._echoes):
            self._show(f"you: {text}")

    def _wait(self, what: str, seconds: float | None) -> None:
        if seconds is not None:
            self._waits.setdefault(what, seconds)

    def _show_end(self, interrupted: bool) -> None:
        parts = [f"{what} after {seconds * 1000:.0f} ms" for what, seconds in self._waits.items()]
        if interrupted:
            parts.append("cut off")
        self._waits.clear()
        if parts:
            self._show(f"  ({', '.join(parts)})")


def _called(event: ToolCalledEvent) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in event.arguments.items())
    outcome = "failed: " if event.failed else ""
    call = _short(f"{event.name}({arguments})")
    return f"  -> {call} {outcome}{_short(event.output)} ({event.duration_seconds * 1000:.0f} ms)"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
