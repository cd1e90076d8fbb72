"""How many pods of its newest revision a fleet wants, from what is asked of it. Pure; times are boot-clock seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom_core.model.runtime import Autoscaling, IntOrPercent, RuntimeSpec


@dataclass(frozen=True, slots=True)
class Demand:
    """`bound` sessions hold slots of the newest revision's pods, `waiting` ones may take any slot that comes free.
    `rolling`: pods of older revisions still hold some."""

    bound: int
    waiting: int
    rolling: bool = False


@dataclass(frozen=True, slots=True)
class Size:
    """`pods` to hold now. `wanted` are sizes that were wanted, each with the moment until which it was, the largest
    first; `falls_at` is when the next smaller one takes effect, if nothing changes before."""

    pods: int
    wanted: tuple[tuple[int, float], ...] = ()
    falls_at: float | None = None


def sized(spec: RuntimeSpec, demand: Demand, before: Size, now: float) -> Size:
    """Grows at once and shrinks when less has been wanted for the scale-down delay."""
    if spec.autoscaling is None:
        return Size(spec.replicas or 0)
    return _settled(before, _enough(spec.autoscaling, spec.sessions_per_pod, demand), spec.autoscaling, now)


def at_first(live_pods: int, now: float) -> Size:
    """What a new leader takes for wanted so far: it knows nothing of the delay under way."""
    return Size(live_pods, ((live_pods, now),))


def largest(spec: RuntimeSpec) -> int:
    """How many pods the fleet may come to, rollouts aside."""
    return spec.autoscaling.max_pods if spec.autoscaling is not None else spec.replicas or 0


def surge(spec: RuntimeSpec) -> int:
    """How many pods a rollout may add."""
    return max(1, share(spec.update_strategy.max_surge, largest(spec)))


def share(part: IntOrPercent, of: int) -> int:
    """`part` itself, or that percentage of `of`, rounded up."""
    if isinstance(part, int):
        return part
    text = part.removesuffix("%")
    return -(-int(text) * of // 100) if part.endswith("%") else int(text)


def _enough(scaling: Autoscaling, slots: int, demand: Demand) -> int:
    used = demand.bound + demand.waiting
    pods = -(-(used + share(scaling.buffer_sessions, used)) // slots)
    # In a rollout the newest revision has a slot for whoever comes next: else older ones would never be done.
    rolling = demand.bound // slots + 1 if demand.rolling else 0
    return min(max(scaling.min_pods, pods, rolling), scaling.max_pods)


def _settled(before: Size, wanted: int, scaling: Autoscaling, now: float) -> Size:
    delay = scaling.scale_down_delay_seconds
    # What was wanted last was wanted until now.
    earlier = [*before.wanted[:-1], *((pods, now) for pods, _ in before.wanted[-1:])]
    larger = [(min(pods, scaling.max_pods), until) for pods, until in earlier if until + delay > now]
    kept = (*((pods, until) for pods, until in larger if pods > wanted), (wanted, now))
    falls_at = kept[0][1] + delay if len(kept) > 1 else None
    return Size(kept[0][0], kept, falls_at)
