"""Which of the events belong to one turn. Pure: each function gives a search, which finds nothing before all came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from greenroom.agent.events import AgentTurnEndedEvent, Event, UserTranscriptEvent, UserTurnStartedEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from greenroom.testing.log import Entry

EventType = TypeVar("EventType", bound=Event)


@dataclass(frozen=True, slots=True)
class Passage:
    """The entries of one turn; `answer` is the place of the last in all of them."""

    entries: tuple[Entry, ...]
    answer: int


def answer_to_text(mark: int, text: str) -> Callable[[Sequence[Entry]], Passage | None]:
    """From `text`, said after `mark`, to the end of its answer."""

    def find(entries: Sequence[Entry]) -> Passage | None:
        for number, event in _from(entries, mark):
            if isinstance(event, UserTranscriptEvent) and event.final and event.text == text:
                return _until_answered(entries, number, number)
        return None

    return find


def answer_to_speech(mark: int) -> Callable[[Sequence[Entry]], Passage | None]:
    """From the first sound after `mark` to the end of the answer to all that was understood."""

    def find(entries: Sequence[Entry]) -> Passage | None:
        began = [number for number, event in _from(entries, mark) if isinstance(event, UserTurnStartedEvent)]
        finals = [
            number for number, event in _from(entries, mark) if isinstance(event, UserTranscriptEvent) and event.final
        ]
        if not finals or not began or began[-1] > finals[-1]:  # nothing understood yet, or the user goes on
            return None
        return _until_answered(entries, began[0], finals[-1])

    return find


def next_answer(answered: Collection[int]) -> Callable[[Sequence[Entry]], Passage | None]:
    """The first answer that is not among `answered`, from the end of the one before it."""

    def find(entries: Sequence[Entry]) -> Passage | None:
        start = 0
        for number, event in _from(entries, 0):
            if isinstance(event, AgentTurnEndedEvent):
                if number not in answered:
                    return Passage(tuple(entries[start : number + 1]), number)
                start = number + 1
        return None

    return find


def next_event(
    mark: int, event_type: type[EventType], values: Mapping[str, Any]
) -> Callable[[Sequence[Entry]], EventType | None]:
    """The first event of that type from `mark` on whose fields have `values`."""

    def find(entries: Sequence[Entry]) -> EventType | None:
        for _, event in _from(entries, mark):
            if isinstance(event, event_type) and all(getattr(event, key) == value for key, value in values.items()):
                return event
        return None

    return find


def _from(entries: Sequence[Entry], mark: int) -> list[tuple[int, Event]]:
    return [(number, entry.event) for number, entry in enumerate(entries) if number >= mark]


def _until_answered(entries: Sequence[Entry], start: int, question: int) -> Passage | None:
    for number, event in _from(entries, question):
        if isinstance(event, AgentTurnEndedEvent):
            return Passage(tuple(entries[start : number + 1]), number)
    return None
