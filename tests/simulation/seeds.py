"""Many days, two at a time: each seed's outcome as it comes, and how to play one again."""

from __future__ import annotations

import logging
import multiprocessing
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.day import play
from tests.simulation.script import draw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROCESSES = 2
_CHUNK = 10


@dataclass(frozen=True, slots=True)
class Played:
    """`broken` is empty where every promise held."""

    seed: int
    broken: tuple[str, ...]
    digest: str
    sessions: int

    def __str__(self) -> str:
        return "\n".join((f"seed {self.seed}: {len(self.broken)} broken", *self.broken, replay(self.seed)))


def replay(seed: int) -> str:
    return f"play it again, with every step: SEEDS=1 START={seed} make simulate"


def played(seed: int) -> Played:
    """One day. A day that cannot be played to its end is broken, too."""
    try:
        outcome = play(draw(seed))
    except Exception:
        return Played(seed, (traceback.format_exc(),), "", 0)
    return Played(seed, outcome.broken, outcome.digest, outcome.sessions)


def play_all(seeds: Iterable[int]) -> Iterator[Played]:
    """In processes of their own, in the order of the seeds; who stops listening need not wait for the rest."""
    # Not forked: what the caller's process has loaded or left behind is no part of a day.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=quieten)
    try:
        yield from pool.map(played, seeds, chunksize=_CHUNK)
    finally:
        pool.shutdown(cancel_futures=True)


def quieten() -> None:
    """What programs log, and what is left of them where they are broken off, is of no interest."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
