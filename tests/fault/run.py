"""All lineups on one control plane: those that hurt only themselves four at a time, then the others one by one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fault.runner import Outcome, Plan, run_lineup

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.fault.case import Lineup

    from greenroom_local.control_plane import ControlPlane

_TOGETHER = 4


@dataclass(frozen=True, slots=True)
class Report:
    """`tripped`: lineups that came to no good end for another reason than a case, by name."""

    outcomes: list[Outcome]
    tripped: dict[str, str] = field(default_factory=dict)

    def troubles(self) -> list[str]:
        """Nothing when all is well: every case made, nothing found, no program tripped over itself."""
        told = [trouble for outcome in self.outcomes for trouble in outcome.troubles()]
        return told + [f"{name}: {text}" for name, text in self.tripped.items()]


async def run_all(plane: ControlPlane, directory: Path, lineups: Sequence[Lineup], plan: Plan) -> Report:
    outcomes: dict[str, list[Outcome]] = {lineup.name: [] for lineup in lineups}
    tripped: dict[str, str] = {}
    lanes = asyncio.Semaphore(_TOGETHER)

    async def go(lineup: Lineup) -> None:
        async with lanes:
            try:
                async for outcome in run_lineup(plane, directory / lineup.name, lineup, plan):
                    outcomes[lineup.name].append(outcome)
                    plan.say(outcome.summary())
            except Exception as error:  # whatever it was: the other lineups go on, and this one is told
                tripped[lineup.name] = f"{type(error).__name__}: {error}"
                plan.say(f"{lineup.name}: stopped: {tripped[lineup.name].splitlines()[0]}")

    await asyncio.gather(*(go(lineup) for lineup in lineups if not lineup.alone))
    for lineup in lineups:
        if lineup.alone:
            await go(lineup)
    return Report([outcome for lineup in lineups for outcome in outcomes[lineup.name]], tripped)
