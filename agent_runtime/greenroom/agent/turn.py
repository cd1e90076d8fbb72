"""What the agent is to say next, and the one answer it may be making before the user is surely done."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True, eq=False)
class Turn:
    """Something the agent is to say: an answer to `text`, or `text` itself when `verbatim`.

    `typed` by the user: its transcript is told when its turn comes, as that of speech is when it was recognised.
    Without `wanted` the answer is only prepared: thought of and made into sound, not spoken, no function called;
    `untold` are the sentences that nobody was told of for that reason.
    """

    text: str
    verbatim: bool = False
    typed: bool = False
    speech_ended_at: float | None = None
    wanted: asyncio.Event = field(default_factory=_set)
    untold: list[str] = field(default_factory=list)
    over: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def resolve(self) -> None:
        """It has been said, was cut off, or will never be."""
        if not self.over.done():
            self.over.set_result(None)


class Preparation:
    """The answer that is made ahead, at most one. `withdrawn` counts those that were made in vain."""

    def __init__(self) -> None:
        self._turn: Turn | None = None
        self.withdrawn = 0

    def begin(self, text: str) -> Turn:
        """A turn to prepare an answer to `text` in."""
        self._turn = Turn(text, wanted=asyncio.Event())
        return self._turn

    def confirm(self, text: str, speech_ended_at: float) -> Turn | None:
        """The user said `text`: the turn that answers it, which may be spoken now. None if there is no such."""
        turn = self._turn
        if turn is None or turn.text != text or turn.over.done():
            return None
        self._turn = None
        turn.speech_ended_at = speech_ended_at
        turn.wanted.set()
        return turn

    def withdraw(self) -> Turn | None:
        """The turn that is not wanted after all."""
        turn, self._turn = self._turn, None
        self.withdrawn += turn is not None
        return turn
