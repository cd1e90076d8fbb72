"""A day as data: the fleet, what happens when, and what befalls which request. Drawn from a seed, or kept in a file.

A kept script means the same for ever; a seed means what :func:`draw` makes of it today.
"""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

DAY_SECONDS = 40.0
CALLS = 4
TEAM = "example.com/team"
FAULTY_REQUESTS = {"write": 80, "read": 40, "lease": 60}
"""So many requests of a program, counted by what they are, may be befallen; later ones are not."""

OPERATORS, APIS, PODS = 6, 4, 10
"""How many of each may be started in a day with faults of their own."""


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """What befalls one request. `kind`: refuse (it never leaves), lose (on its way), reply (it is carried out, the
    answer is lost), late (the answer comes after `value` seconds), slow (it is carried out after `value` seconds),
    status (`value` is the answer)."""

    kind: str
    value: float = 0


class Event(msgspec.Struct, frozen=True, array_like=True):
    """At `at` seconds. `pick`, from 0 to 1, says which of those there are it is about."""

    at: float
    what: str
    pick: float = 0.0
    value: Any = None


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a program runs: its wall clock is so far ahead, its boot clock begins there and runs at that rate, its
    requests and their answers travel for so long, and what its watches show is so old."""

    skew_seconds: float = 0.0
    boot_seconds: float = 0.0
    rate: float = 1.0
    way_seconds: float = 0.0
    lag_seconds: float = 0.0


class Script(msgspec.Struct, frozen=True):
    """`seed` seeds what programs draw themselves. Places go by a program's name, such as `operator-1`, faults by the
    name with what the request is, such as `operator-1 write`, and its number among those."""

    seed: int
    fleets: dict[str, dict[str, Any]]
    events: tuple[Event, ...]
    faults: dict[str, dict[int, Fault]]
    places: dict[str, Place]


def encoded(script: Script) -> bytes:
    return msgspec.json.encode(script)


def decoded(data: bytes) -> Script:
    return msgspec.json.decode(data, type=Script)


def draw(seed: int) -> Script:
    random = Random(seed)
    fleets = {"default": _fleet(random)}
    if random.random() < 0.2:
        fleets["other"] = _fleet(random)
    names = [
        *(f"operator-{number}" for number in range(1, OPERATORS + 1)),
        *(f"api-{number}" for number in range(1, APIS + 1)),
        *(f"pod-{number}" for number in range(1, PODS + 1)),
    ]
    return Script(
        seed=seed,
        fleets=fleets,
        events=tuple(sorted(_events(random, list(fleets)), key=lambda event: event.at)),
        faults=_faults(random, names),
        places={name: _place(random) for name in names},
    )


def _fleet(random: Random) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "sessionsPerPod": random.choice([1, 2, 2, 3]),
        "drainTimeoutSeconds": random.choice([10, 25]),
        "placement": random.choice(["Packed", "Packed", "Spread"]),
    }
    if random.random() < 0.65:
        spec["replicas"] = random.choice([1, 1, 2, 2, 3])
    else:
        least = random.choice([0, 0, 1])
        spec["autoscaling"] = {
            "minPods": least,
            "maxPods": least + random.choice([1, 2]),
            "bufferSessions": random.choice([0, 1, "50%"]),
            "scaleDownDelaySeconds": random.choice([2, 8]),
        }
    limits: dict[str, int] = {}
    if random.random() < 0.5:
        limits["maxSessionsPerCall"] = random.choice([1, 2])
    if random.random() < 0.5:
        limits["maxConcurrentSessions"] = random.choice([2, 3, 5])
    spec["limits"] = limits
    queue = random.choice([{}, {}, {"fairBy": TEAM}, {"whenFull": "Refuse"}, {"fairBy": TEAM, "whenFull": "Refuse"}])
    if queue:
        spec["queue"] = queue
    if random.random() < 0.3:
        spec["sessionDefaults"] = {"restartPolicy": "OnPodLoss"}
    return spec


# What happens, and how often in comparison.
_WORK = {"rest": 8, "keyed": 3, "kubectl": 5, "own": 2, "close": 3, "delete": 2, "hang-up": 2, "metrics": 2, "read": 1}
_TROUBLE = {
    "kill": 5,
    "stop": 1,
    "pause": 4,
    "cut-off": 4,
    "break-watches": 3,
    "end-watches": 1,
    "lag": 4,
    "slow-writes": 3,
    "lose-replies": 2,
    "go-back": 2,
    "lie": 2,
    "compact": 2,
    "outage": 1,
    "crd-update": 1,
    "touch": 4,
    "clock": 2,
    "kill-pod": 2,
    "delete-pod": 2,
    "force-delete-pod": 1,
    "cut-node": 1,
    "drain-node": 1,
    "cordon-pod": 1,
    "scale": 2,
    "rollout": 2,
    "delete-runtime": 1,
}
TROUBLES = frozenset(_TROUBLE)


def _events(random: Random, fleets: list[str]) -> list[Event]:
    works, troubles = random.randint(3, 9), random.choice([0, 1, 3, 6, 10])
    drawn = [*_drawn(random, _WORK, works), *_drawn(random, _TROUBLE, troubles)]
    events = [_event(random, kind, fleets) for kind in drawn]
    for scene in random.sample(SCENES, random.choice([0, 1, 1, 2])):
        events += scene(random, fleets)
    return events


def _drawn(random: Random, weights: dict[str, int], count: int) -> list[str]:
    return random.choices(list(weights), list(weights.values()), k=count)


def _event(random: Random, what: str, fleets: list[str]) -> Event:
    # Troubles come in the middle of something: half of all fall within a few seconds of each other.
    at = random.uniform(0, DAY_SECONDS) if random.random() < 0.5 else random.gauss(8, 2)
    return event_at(random, at, what, _value(random, what, fleets))


def event_at(random: Random, at: float, what: str, value: Any = None) -> Event:
    return Event(round(max(at, 0.0), 3), what, round(random.random(), 3), value)


def _value(random: Random, what: str, fleets: list[str]) -> Any:
    match what:
        case "rest" | "keyed" | "kubectl" | "own":
            return session(random, what, fleets)
        case "kill" | "stop":
            return {"who": random.choice(["operator", "operator", "api", "leader"]), "steps": random.randint(1, 150)}
        case "kill-pod":
            return random.randint(1, 60)
        case "pause" | "cut-off":
            who = random.choice(["operator", "leader", "leader", "api", "pod"])
            return {"who": who, "seconds": round(random.choice([1, 4, 7, 15]) * random.uniform(0.7, 1.3), 2)}
        case "lag":
            who = random.choice(["operator", "leader", "api", "pod"])
            return {"who": who, "seconds": random.choice([0.05, 0.5, 3.0]), "for": random.choice([2, 10])}
        case "slow-writes":
            who, seconds = random.choice(["leader", "api", "pod"]), random.choice([0.1, 1, 4])
            return {"who": who, "seconds": seconds, "for": random.choice([1, 5])}
        case "lose-replies":
            return {"who": random.choice(["leader", "api", "pod"]), "for": random.choice([0.5, 2, 6])}
        case "break-watches" | "end-watches":
            return random.choice(["operator", "leader", "api", "pod"])
        case "go-back":
            return {"who": random.choice(["operator", "leader", "api", "pod"]), "versions": random.choice([3, 20])}
        case "lie":
            return None
        case "outage":
            return random.choice([1, 4, 12])
        case "clock":
            who = random.choice(["operator", "api", "pod"])
            return {"who": who, "seconds": random.choice([-20, -2, 2, 20])}
        case "cut-node":
            return random.choice([5, 20, 90])
        case "drain-node" | "cordon-pod":
            return random.choice([5, 20])
        case "scale" | "rollout" | "delete-runtime":
            return [random.choice(fleets), random.randint(0, 3)]
        case _:
            return None


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


def _faults(random: Random, names: list[str]) -> dict[str, dict[int, Fault]]:
    severity = random.choice([0.0, 0.04, 0.12, 0.3])
    if not severity:
        return {}
    found = {}
    for name in names:
        for what, count in FAULTY_REQUESTS.items():
            found[f"{name} {what}"] = befallen = {}
            number = 0
            while (
                number := number + 1 + int(random.expovariate(severity / 2 if what == "lease" else severity))
            ) < count:
                befallen[number] = _fault(random)
    return found


def _fault(random: Random) -> Fault:
    kind = random.choices(["refuse", "lose", "reply", "late", "slow", "status"], [2, 2, 5, 3, 5, 3])[0]
    match kind:
        case "late" | "slow":
            return Fault(kind, round(random.choice([0.05, 0.5, 2, 8, 20]) * random.uniform(0.5, 1.2), 3))
        case "status":
            return Fault(kind, random.choice([500, 503, 429, 403]))
        case _:
            return Fault(kind)


def _place(random: Random) -> Place:
    return Place(
        skew_seconds=round(random.gauss(0, 1), 3) if random.random() < 0.5 else 0.0,
        boot_seconds=round(random.uniform(0, 1e6), 3),
        rate=round(random.uniform(0.995, 1.005), 5),
        way_seconds=round(random.choice([0.0, 0.001, 0.004, 0.02]) * random.uniform(0.5, 1.5), 5),
        lag_seconds=round(random.choice([0.0, 0.001, 0.01, 0.05]) * random.uniform(0.5, 1.5), 5),
    )


# --- scenes: things that hurt most when they come together ---


def _handover(random: Random, fleets: list[str]) -> list[Event]:
    """A leader stands still while what it has sent is on its way, and another takes over."""
    at = random.uniform(4, 20)
    travels = random.uniform(5, 9)
    return [
        event_at(random, at - 0.4, "slow-writes", {"who": "leader", "seconds": travels, "for": 1.0}),
        *_guests(random, at - 0.3, 0.3, random.randint(2, 4), fleets),
        event_at(random, at + random.uniform(0, 0.3), "pause", {"who": "leader", "seconds": random.uniform(5, 9)}),
        *_guests(random, at + 3, 5, random.randint(1, 3), fleets),
    ]


def _last_words(random: Random, fleets: list[str]) -> list[Event]:
    """A pod dies while what it has written is on its way."""
    at = random.uniform(4, 20)
    pod, leader = random.uniform(0.3, 3), random.uniform(0.2, 2)
    return [
        event_at(random, at, "slow-writes", {"who": "every pod", "seconds": pod, "for": 6}),
        event_at(random, at, "slow-writes", {"who": "leader", "seconds": leader, "for": 10}),
        *_guests(random, at, 1, random.randint(2, 4), fleets, restart="OnPodLoss"),
        event_at(random, at + random.uniform(0.2, 4), "kill-pod", random.randint(1, 40)),
    ]


def _full_house(random: Random, fleets: list[str]) -> list[Event]:
    """More come than there are slots, and none stays for long."""
    at = random.uniform(3, 20)
    return [
        *_guests(random, at, 2, random.randint(5, 9), fleets, act={"talk": random.choice([0.5, 1.0, 2.0])}),
        event_at(random, at, "slow-writes", {"who": "every pod", "seconds": random.uniform(0.02, 0.6), "for": 8}),
    ]


def _lost_replies(random: Random, fleets: list[str]) -> list[Event]:
    """What the leader writes is carried out, and it does not hear of it."""
    at = random.uniform(3, 20)
    return [
        event_at(random, at, "lose-replies", {"who": "leader", "for": random.uniform(0.2, 3)}),
        *_guests(random, at, 1, random.randint(3, 7), fleets),
    ]


def _silent_pod(random: Random, fleets: list[str]) -> list[Event]:
    """A pod says nothing of what it was given until just about when it is taken back."""
    at = random.uniform(3, 10)
    return [
        *_guests(random, at, 0.1, random.randint(1, 2), fleets, act={}),
        event_at(random, at + 0.1, "cut-off", {"who": "every pod", "seconds": random.uniform(72, 78)}),
        event_at(random, at + 74, "slow-writes", {"who": "leader", "seconds": 1.5, "for": 6}),
    ]


SCENES = [_handover, _handover, _last_words, _full_house, _lost_replies, _silent_pod]


def _guests(random: Random, at: float, within: float, count: int, fleets: list[str], **fixed: Any) -> list[Event]:
    """Sessions that come at about the same time, for a few calls."""
    events = []
    for _ in range(count):
        what = random.choice(["rest", "kubectl"])
        wanted = {**session(random, what, fleets), **fixed}
        events.append(event_at(random, at + random.uniform(0, within), what, wanted))
    return events
