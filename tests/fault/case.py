"""What a fault is to the suite: a name, what is done, how often; and the stack that is hurt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.invariants import Tolerance
from tests.stack import FleetPlan

if TYPE_CHECKING:
    from tests.fault.scene import Scene
    from tests.stack import Stack

# A lease of 5 s has to run out, and its successor has to take over.
WITHOUT_A_LEADER = Tolerance(quiet_seconds=15.0, longest_seconds=30.0)


@dataclass(frozen=True, slots=True)
class Case:
    """One fault. `hurt` does it once, under load, and returns when what it did is undone: programs run again, the fleet
    is as the lineup says. It asserts that the fault has really happened; AssertionError, TimeoutError or any other
    error means that it could not be made to happen, and fails the run.

    What has been killed with its sessions is named to `scene.killed`, or it counts as cut.
    """

    name: str
    what: str
    hurt: Callable[[Scene], Awaitable[None]]
    tries: int = 10


def _nothing_more(_: Stack) -> AbstractAsyncContextManager[Any]:
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """Cases that share one stack, one after another, each with its tries.

    `callers` begin sessions all the time. `alone`: the control plane itself is hurt, so nothing else runs meanwhile.
    `relayed`: the programs reach the API server through `scene.stack.relay`, which can cut their connections.
    `beside` is entered once the stack is up, for what else the cases need (another node, a budget).
    """

    name: str
    cases: tuple[Case, ...]
    fleets: tuple[FleetPlan, ...] = (FleetPlan(pods=3, slots=8),)
    operators: int = 2
    apis: int = 2
    callers: int = 6
    tolerance: Tolerance = WITHOUT_A_LEADER
    alone: bool = False
    relayed: bool = False
    beside: Callable[[Stack], AbstractAsyncContextManager[Any]] = _nothing_more
