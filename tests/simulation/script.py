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
FAULTY_REQUESTS = 300
"""So many requests of a program may be befallen; later ones are not."""

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


class Clocks(msgspec.Struct, frozen=True, array_like=True):
    """A program's: its wall clock is so far ahead, its boot clock begins there and runs at that rate."""

    skew_seconds: float = 0.0
    boot_seconds: float = 0.0
    rate: float = 1.0


class Script(msgspec.Struct, frozen=True):
    """`seed` seeds what programs draw themselves. Faults and clocks go by a program's name, such as `operator-1`;
    faults by the number of the request."""

    seed: int
    fleets: dict[str, dict[str, Any]]
    events: tuple[Event, ...]
    faults: dict[str, dict[int, Fault]]
    clocks: dict[str, Clocks]


def encoded(script: Script) -> bytes:
    return msgspec.json.encode(script)


def decoded(data: bytes) -> Script:
    return msgspec.json.decode(data, type=Script)


def draw(seed: int) -> Script:
    random = Random(seed)
    fleets = {"default": _fleet(random)}
    if random.random() < 0.2:
        fleets["other"] = _fleet(random)
    severity = random.choice([0.0, 0.03, 0.06, 0.12])
    names = [
        *(f"operator-{number}" for number in range(1, OPERATORS + 1)),
        *(f"api-{number}" for number in range(1, APIS + 1)),
        *(f"pod-{number}" for number in range(1, PODS + 1)),
    ]
    return Script(
        seed=seed,
        fleets=fleets,
        events=tuple(sorted(_events(random, list(fleets)), key=lambda event: event.at)),
        faults={name: _faults(random, severity) for name in names} if severity else {},
        clocks={name: _clocks(random) for name in names},
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
    works, troubles = random.randint(4, 12), random.choice([0, 2, 5, 8, 12])
    events = [_event(random, kind, fleets) for kind in _drawn(random, _WORK, works)]
    return events + [_event(random, kind, fleets) for kind in _drawn(random, _TROUBLE, troubles)]


def _drawn(random: Random, weights: dict[str, int], count: int) -> list[str]:
    return random.choices(list(weights), list(weights.values()), k=count)


def _event(random: Random, what: str, fleets: list[str]) -> Event:
    # Troubles come in the middle of something: half of all fall within a few seconds of each other.
    at = random.uniform(0, DAY_SECONDS) if random.random() < 0.5 else random.gauss(8, 2)
    return Event(round(max(at, 0.0), 3), what, round(random.random(), 3), _value(random, what, fleets))


def _value(random: Random, what: str, fleets: list[str]) -> Any:
    match what:
        case "rest" | "keyed" | "kubectl" | "own":
            return _session(random, what, fleets)
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
        case "break-watches" | "end-watches":
            return random.choice(["operator", "leader", "api", "pod"])
        case "go-back":
            return {"who": random.choice(["operator", "leader", "api", "pod"]), "versions": random.choice([3, 20])}
        case "lie":
            return random.choice(["pod", "pod", "api"])
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


def _session(random: Random, what: str, fleets: list[str]) -> dict[str, Any]:
    """The same for all ways to ask: what each can say of it, it says."""
    call = random.randrange(CALLS)
    session: dict[str, Any] = {"call": f"c{call}", "act": _act(random)}
    if call:
        session["team"] = "blue" if call % 2 else "red"
    if len(fleets) > 1 and random.random() < 0.4:
        session["runtime"] = fleets[1]
    if random.random() < 0.3:
        session["limits"] = {"maxDurationSeconds": random.choice([5, 15])}
    if random.random() < 0.3:
        session.setdefault("limits", {})["startDeadlineSeconds"] = random.choice([3, 10])
    if random.random() < 0.3:
        session["restart"] = random.choice(["OnPodLoss", "Never"])
    if random.random() < 0.3:
        session["ttl"] = random.choice([0, 3])
    if random.random() < 0.2:
        session["priority"] = random.choice([-1, 1])
    if what == "keyed":
        session["key"] = f"k{random.randrange(3)}"
        session["act"], session["call"] = {}, "c0"
        return {"call": "c0", "key": session["key"], "act": {"talk": 8}}
    return session


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


def _faults(random: Random, severity: float) -> dict[int, Fault]:
    found, number = {}, 0
    while (number := number + 1 + int(random.expovariate(severity))) < FAULTY_REQUESTS:
        found[number] = _fault(random)
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


def _clocks(random: Random) -> Clocks:
    return Clocks(
        skew_seconds=round(random.gauss(0, 1), 3) if random.random() < 0.5 else 0.0,
        boot_seconds=round(random.uniform(0, 1e6), 3),
        rate=round(random.uniform(0.995, 1.005), 5),
    )
