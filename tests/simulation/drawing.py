"""Makes a day of a seed: its fleets, what happens when, and what befalls which program."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.simulation.guests import event_at, session
from tests.simulation.scenes import SCENES
from tests.simulation.script import DAY_SECONDS, FAULTY_REQUESTS, TEAM, Event, Fault, Place, Script

OPERATORS, APIS, PODS = 6, 4, 10
"""How many of each may be started in a day with faults of their own."""


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
