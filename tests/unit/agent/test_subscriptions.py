"""Events to subscribers: in order, bounded, and one that fails or dawdles harms no sound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from greenroom.agent.events import AgentTurnPausedEvent, AgentTurnResumedEvent, Event, UserTranscriptEvent
from greenroom.agent.subscriptions import CAPACITY, Subscriptions


def said(number: int) -> UserTranscriptEvent:
    return UserTranscriptEvent(str(number), final=True)


async def test_each_gets_what_its_argument_names_in_order() -> None:
    subscriptions, got = Subscriptions(), list[Event]()

    @subscriptions.subscribe
    async def slow(event: UserTranscriptEvent | AgentTurnPausedEvent) -> None:
        await asyncio.sleep(0)
        got.append(event)

    events = [said(1), AgentTurnResumedEvent(), AgentTurnPausedEvent(), said(2)]
    for event in events:
        subscriptions.emit(event)
    await subscriptions.drain()
    assert got == [events[0], events[2], events[3]]


async def test_one_that_fails_is_logged_and_the_others_get_theirs(caplog: pytest.LogCaptureFixture) -> None:
    subscriptions, got = Subscriptions(), list[Event]()

    @subscriptions.subscribe
    def broken(event: UserTranscriptEvent) -> None:
        raise RuntimeError("no disk")

    subscriptions.subscribe(keeper(got))
    subscriptions.emit(said(1))
    await subscriptions.drain()
    assert got == [said(1)]
    assert "no disk" in caplog.text


async def test_what_a_slow_one_leaves_waiting_is_bounded_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    subscriptions, got = Subscriptions(), list[Event]()
    subscriptions.subscribe(keeper(got))
    for number in range(CAPACITY + 5):
        subscriptions.emit(said(number))
    await subscriptions.drain()
    assert got == [said(number) for number in range(5, CAPACITY + 5)], "the oldest go first"
    assert subscriptions.dropped == 5
    assert caplog.text.count(f"a subscriber is {CAPACITY} events behind") == 1


def keeper(got: list[Event]) -> Callable[[UserTranscriptEvent], Coroutine[Any, Any, None]]:
    async def keep(event: UserTranscriptEvent) -> None:
        got.append(event)

    return keep
