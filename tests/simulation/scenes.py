"""Scenes of a day: things that hurt most when they come together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.guests import event_at, guests

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.script import Event


def _handover(random: Random, fleets: list[str]) -> list[Event]:
    """A leader stands still while what it has sent is on its way, and another takes over."""
    at = random.uniform(4, 20)
    travels = random.uniform(5, 9)
    return [
        event_at(random, at - 0.4, "slow-writes", {"who": "leader", "seconds": travels, "for": 1.0}),
        *guests(random, at - 0.3, 0.3, random.randint(2, 4), fleets),
        event_at(random, at + random.uniform(0, 0.3), "pause", {"who": "leader", "seconds": random.uniform(5, 9)}),
        *guests(random, at + 3, 5, random.randint(1, 3), fleets),
    ]


def _last_words(random: Random, fleets: list[str]) -> list[Event]:
    """A pod dies while what it has written is on its way."""
    at = random.uniform(4, 20)
    pod, leader = random.uniform(0.3, 3), random.uniform(0.2, 2)
    return [
        event_at(random, at, "slow-writes", {"who": "every pod", "seconds": pod, "for": 6}),
        event_at(random, at, "slow-writes", {"who": "leader", "seconds": leader, "for": 10}),
        *guests(random, at, 1, random.randint(2, 4), fleets, restart="OnPodLoss"),
        event_at(random, at + random.uniform(0.2, 4), "kill-pod", random.randint(1, 40)),
    ]


def _full_house(random: Random, fleets: list[str]) -> list[Event]:
    """More come than there are slots, and none stays for long."""
    at = random.uniform(3, 20)
    return [
        *guests(random, at, 2, random.randint(5, 9), fleets, act={"talk": random.choice([0.5, 1.0, 2.0])}),
        event_at(random, at, "slow-writes", {"who": "every pod", "seconds": random.uniform(0.02, 0.6), "for": 8}),
    ]


def _lost_replies(random: Random, fleets: list[str]) -> list[Event]:
    """What the leader writes is carried out, and it does not hear of it."""
    at = random.uniform(3, 20)
    return [
        event_at(random, at, "lose-replies", {"who": "leader", "for": random.uniform(0.2, 3)}),
        *guests(random, at, 1, random.randint(3, 7), fleets),
    ]


def _silent_pod(random: Random, fleets: list[str]) -> list[Event]:
    """A pod says nothing of what it was given until just about when it is taken back: it is heard again while that is
    on its way. It may have to move what it had run by then, so that is what its sessions ask for."""
    at = random.uniform(5, 12)
    return [
        *guests(random, at, 0.1, random.randint(1, 3), fleets, act={}, limits={}, restart="OnPodLoss"),
        event_at(random, at + 0.1, "cut-off", {"who": "every pod", "seconds": random.uniform(74, 77)}),
        event_at(random, at + 73, "slow-writes", {"who": "leader", "seconds": random.uniform(1, 3), "for": 6}),
        event_at(random, at + 84, "compact"),  # so that it is not dusk before
    ]


def _jumped_queue(random: Random, fleets: list[str]) -> list[Event]:
    """Slots get free all at once, and those who are bound to them then have waited and been told so. Their binds are
    long on their way, and meanwhile others come who go before them: who has no memory of what is on its way, or takes
    over without a fence, gives the slots away twice."""
    at, talk = random.uniform(4, 9), 5.0
    free_at = at + talk
    leader: dict[str, Any] = {"who": "leader"}
    if random.random() < 0.5:
        obstacle = [event_at(random, free_at - 0.1, "slow-writes", {**leader, "seconds": 18.0, "for": 2})]
    else:
        obstacle = [
            event_at(random, free_at - 0.1, "slow-writes", {**leader, "seconds": random.uniform(7, 10), "for": 2}),
            event_at(random, free_at + random.uniform(0.4, 1), "pause", {**leader, "seconds": 12.0}),
        ]
    told = {"limits": {}, "restart": "Never"}
    return [
        *guests(random, at, 0.1, random.randint(5, 9), fleets, ways=("rest",), **told, act={"talk": talk}),
        *obstacle,
        *guests(random, free_at + 1, 3, random.randint(2, 4), fleets, **told, act={}, priority=1),
    ]


SCENES = [_handover, _last_words, _full_house, _lost_replies, _silent_pod, *[_jumped_queue] * 3]
