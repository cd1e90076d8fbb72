"""Who comes in a day: sessions that are asked for, and how their agents fare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.script import Event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

CALLS = 4


def event_at(random: Random, at: float, what: str, value: Any = None) -> Event:
    return Event(round(max(at, 0.0), 3), what, round(random.random(), 3), value)


def session(random: Random, what: str, fleets: list[str]) -> dict[str, Any]:
    """The same for all ways to ask: what each can say of it, it says."""
    call = random.randrange(CALLS)
    wanted: dict[str, Any] = {"call": f"c{call}", "act": _act(random)}
    if call:
        wanted["team"] = "blue" if call % 2 else "red"
    if len(fleets) > 1 and random.random() < 0.4:
        wanted["runtime"] = fleets[1]
    if random.random() < 0.3:
        wanted["limits"] = {"maxDurationSeconds": random.choice([5, 15])}
    if random.random() < 0.3:
        wanted.setdefault("limits", {})["startDeadlineSeconds"] = random.choice([3, 10])
    if random.random() < 0.3:
        wanted["restart"] = random.choice(["OnPodLoss", "Never"])
    if random.random() < 0.3:
        wanted["ttl"] = random.choice([0, 3])
    if random.random() < 0.2:
        wanted["priority"] = random.choice([-1, 1])
    if what == "keyed":
        # The same key has to come with the same request.
        return {"call": "c0", "key": f"k{random.randrange(3)}", "act": {"talk": 8}}
    return wanted


def _act(random: Random) -> dict[str, Any]:
    """How its agent fares; an empty one talks until it is told to leave."""
    act: dict[str, Any] = {}
    if random.random() < 0.5:
        act["build"] = random.choice([0.2, 1.5, 6.0])
    if random.random() < 0.5:
        act["talk"] = random.choice([0.5, 4.0, 12.0, 25.0])
    if random.random() < 0.2:
        act["leave"] = random.choice([0.5, 3.0])
    if random.random() < 0.06:
        act["fails"] = random.choice(["build", "call"])
    return act


def guests(
    random: Random,
    at: float,
    within: float,
    count: int,
    fleets: list[str],
    ways: Sequence[str] = ("rest", "kubectl"),
    **fixed: Any,
) -> list[Event]:
    """Sessions that come at about the same time, for a few calls; `fixed` are parts of what each wants."""
    events = []
    for _ in range(count):
        what = random.choice(ways)
        wanted = {**session(random, what, fleets), **fixed}
        events.append(event_at(random, at + random.uniform(0, within), what, wanted))
    return events
