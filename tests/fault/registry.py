"""Every lineup of the suite, by module. A module of cases is added here and nowhere else."""

from __future__ import annotations

from dataclasses import replace

from tests.fault import fleets, programs, servers
from tests.fault.case import Case, Lineup

LINEUPS: tuple[Lineup, ...] = (*programs.LINEUPS, *servers.LINEUPS, *fleets.LINEUPS)


def chosen(only: str | None) -> list[Lineup]:
    """Those with a case whose name, or lineup's name, has `only` in it, and just these cases."""
    found = [replace(lineup, cases=_named(lineup, only or "")) for lineup in LINEUPS]
    return [lineup for lineup in found if lineup.cases]


def _named(lineup: Lineup, only: str) -> tuple[Case, ...]:
    return lineup.cases if only in lineup.name else tuple(case for case in lineup.cases if only in case.name)
