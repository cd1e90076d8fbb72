"""One turn of a conversation, from the user's words to the end of the answer, and what a test expects of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from greenroom.agent.events import (
    AgentErrorEvent,
    AgentTranscriptEvent,
    AgentTurnEndedEvent,
    AgentTurnStartedEvent,
    Event,
    ToolCalledEvent,
    UserTranscriptEvent,
)
from greenroom.testing.log import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from greenroom.testing.log import Entry

EventType = TypeVar("EventType", bound=Event)
Words = str | re.Pattern[str]


class Turn:
    """What happened, in order. Each `expect_…` raises an AssertionError that lists all of it if it does not hold.

    An expectation takes an event that no earlier one took: two calls of a function are expected twice.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = tuple(entries)
        self._taken: set[int] = set()

    def __repr__(self) -> str:
        return f"<Turn {self.heard!r} -> {self.said!r}, {len(self._entries)} events>"

    def __str__(self) -> str:
        return listed(self._entries)

    # --- what happened ---

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(entry.event for entry in self._entries)

    @property
    def heard(self) -> str:
        """The user's words as the agent took them; "" if the agent spoke by itself."""
        return " ".join(event.text for event in self._of(UserTranscriptEvent) if event.final)

    @property
    def said(self) -> str:
        """The agent's words, as far as they could be heard."""
        return " ".join(event.text for event in self._of(AgentTurnEndedEvent) if event.text)

    @property
    def tools(self) -> tuple[ToolCalledEvent, ...]:
        """The functions that were called, with arguments, output, failure and duration."""
        return self._of(ToolCalledEvent)

    @property
    def errors(self) -> tuple[Exception, ...]:
        return tuple(event.error for event in self._of(AgentErrorEvent))

    @property
    def interrupted(self) -> bool:
        """Whether the answer was cut off."""
        return any(event.interrupted for event in self._of(AgentTurnEndedEvent)[-1:])

    @property
    def seconds(self) -> float:
        """From the first event of the turn to its last."""
        return self._entries[-1].at_seconds - self._entries[0].at_seconds if self._entries else 0.0

    @property
    def first_words_seconds(self) -> float | None:
        """From the user's last sound or word to the answer's first sentence; None where nothing was answered."""
        return next((event.response_seconds for event in self._of(AgentTranscriptEvent)), None)

    @property
    def first_sound_seconds(self) -> float | None:
        """From the user's last sound or word to the answer's first sound; None without a voice."""
        return next((event.response_seconds for event in self._of(AgentTurnStartedEvent)), None)

    # --- what is expected ---

    def expect_tool(self, name: str, /, **arguments: Any) -> ToolCalledEvent:
        """The function `name` was called with at least these arguments, each equal or matched by a pattern."""
        for number, event in self._free(ToolCalledEvent):
            if event.name == name and _match(event.arguments, arguments):
                return self._take(number, event)
        self._fail(f"expected a call of {name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})")

    def expect_no_tool(self, name: str | None = None) -> None:
        """No function, or not the function `name`, was called."""
        if any(name in (None, event.name) for event in self.tools):
            self._fail(f"expected no call of {name or 'any function'}")

    def expect_said(self, words: Words) -> Event:
        """The agent said `words`, in any case, or what the pattern finds; all it said is expected with it."""
        if not self.said or not _found(words, self.said):
            self._fail(f"expected the agent to say {_shown(words)}")
        for number, entry in enumerate(self._entries):
            if isinstance(entry.event, AgentTranscriptEvent | AgentTurnEndedEvent):
                self._taken.add(number)
        sentences = [event for event in self._of(AgentTranscriptEvent) if _found(words, event.text)]
        return (sentences or self._of(AgentTurnEndedEvent))[0]

    def expect_not_said(self, words: Words) -> None:
        if _found(words, self.said):
            self._fail(f"expected the agent not to say {_shown(words)}")

    def expect_heard(self, words: Words) -> None:
        """The user's words, as the agent took them, have `words` among them."""
        if not _found(words, self.heard):
            self._fail(f"expected the agent to hear {_shown(words)}")

    def expect_event(self, event_type: type[EventType], **values: Any) -> EventType:
        """An event of this type with at least these values, each equal or matched by a pattern."""
        for number, event in self._free(event_type):
            if _match({name: getattr(event, name, None) for name in values}, values):
                return self._take(number, event)
        wanted = "".join(f" {name}={value!r}" for name, value in values.items())
        self._fail(f"expected {event_type.__name__}{wanted}")

    def expect_order(self, *events: Event) -> None:
        """These events of the turn, as the other expectations return them, came in this order."""
        places = [self._place(event) for event in events]
        if places != sorted(places):
            wanted = ", ".join(event.type for event in events)
            self._fail(f"expected {wanted} in this order, not as {', '.join(f'{place + 1}.' for place in places)}")

    def expect_answer_within(self, seconds: float) -> None:
        """The first sound of the answer, or where there is no voice its first words, came in time."""
        waited = self.first_words_seconds if self.first_sound_seconds is None else self.first_sound_seconds
        if waited is None or waited > seconds:
            came = "none came" if waited is None else f"it took {waited:.3f} s"
            self._fail(f"expected an answer within {seconds:g} s, {came}")

    def expect_nothing_else(self) -> None:
        """No function was called, nothing said and nothing failed but what was expected already."""
        for number, entry in enumerate(self._entries):
            if number not in self._taken and _counts(entry.event):
                self._fail(f"expected nothing else than what was asked for, but {number + 1}. {entry.event.type} came")

    # --- inside ---

    def _of(self, event_type: type[EventType]) -> tuple[EventType, ...]:
        return tuple(event for event in self.events if isinstance(event, event_type))

    def _free(self, event_type: type[EventType]) -> list[tuple[int, EventType]]:
        return [
            (number, entry.event)
            for number, entry in enumerate(self._entries)
            if number not in self._taken and isinstance(entry.event, event_type)
        ]

    def _take(self, number: int, event: EventType) -> EventType:
        self._taken.add(number)
        return event

    def _place(self, event: Event) -> int:
        for number, entry in enumerate(self._entries):
            if entry.event is event:
                return number
        self._fail(f"expected an order of events of this turn, and {event.type} is of another")

    def _fail(self, message: str) -> NoReturn:
        raise AssertionError(f"{message}; {self}")


def _counts(event: Event) -> bool:
    return isinstance(event, ToolCalledEvent | AgentTranscriptEvent | AgentErrorEvent)


def _match(values: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in values and _fits(values[name], value) for name, value in wanted.items())


def _fits(value: Any, wanted: Any) -> bool:
    return _found(wanted, str(value)) if isinstance(wanted, re.Pattern) else bool(value == wanted)


def _found(words: Words, text: str) -> bool:
    if isinstance(words, re.Pattern):
        return words.search(text) is not None
    return words.casefold() in text.casefold()


def _shown(words: Words) -> str:
    return f"what {words.pattern!r} finds" if isinstance(words, re.Pattern) else repr(words)
