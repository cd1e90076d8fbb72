"""Every lineup of the suite, by module. A module of cases is added here and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fault import fleets, programs, servers
from tests.fault.case import Case, Lineup

if TYPE_CHECKING:
    from collections.abc import Sequence

LINEUPS: tuple[Lineup, ...] = (*programs.LINEUPS, *servers.LINEUPS, *fleets.LINEUPS)


def chosen(parts: Sequence[str]) -> list[Lineup]:
    """Those with cases whose name, or whose lineup's name, has one of `parts` in it, and just these cases."""
    found = [replace(lineup, cases=_named(lineup, parts)) for lineup in LINEUPS]
    return [lineup for lineup in found if lineup.cases]


def _named(lineup: Lineup, parts: Sequence[str]) -> tuple[Case, ...]:
    return tuple(case for case in lineup.cases if any(part in lineup.name or part in case.name for part in parts))
