"""Many days, two at a time: each seed's outcome as it comes, and how to play one again."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tests.simulation.day import play
from tests.simulation.drawing import draw
from tests.simulation.script import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.simulation.script import Script

A, B = TypeVar("A"), TypeVar("B")

PROCESSES = 2
_CHUNK = 4


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


def kept_broken(path: Path) -> tuple[str, ...]:
    """What is broken on the day that a file keeps."""
    return play(decoded(path.read_bytes())).broken


def digest(script: Script) -> str:
    return play(script).digest


def play_all(seeds: Iterable[int]) -> Iterator[Played]:
    """In the order of the seeds; who stops listening need not wait for the rest."""
    return in_processes(played, seeds, chunk=_CHUNK)


def in_processes(work: Callable[[A], B], items: Iterable[A], *, chunk: int = 1) -> Iterator[B]:
    """What `work` makes of each, in their order."""
    # Not forked: what the caller's process has loaded or left behind is no part of a day.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=quieten)
    try:
        yield from pool.map(work, items, chunksize=chunk)
    finally:
        pool.shutdown(cancel_futures=True)


def quieten() -> None:
    """What programs log, and what is left of them where they are broken off, is of no interest. What is there before
    the first day need not be looked through after each."""
    gc.freeze()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
