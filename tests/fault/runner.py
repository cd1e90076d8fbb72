"""Runs cases under load and judges them; knows nothing of any single fault."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.fault.load import Load
from tests.fault.scene import Scene
from tests.fault.verdict import Findings, Word, judge
from tests.invariants import events
from tests.stack import Stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.fault.case import Case, Lineup
    from tests.fault.evidence import Life

    from greenroom_local.control_plane import ControlPlane

_STAYING = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """How the cases are run: `tries` of each one, where given, instead of its own; `short` outages."""

    tries: int | None = None
    short: bool = False
    say: Callable[[str], None] = print

    @property
    def outage_seconds(self) -> float:
        return 8.0 if self.short else 30.0

    def tries_of(self, case: Case) -> int:
        return self.tries or case.tries


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one case. `tries`: that were made; `trouble`: why there were no more, else empty.

    `sessions` were begun, of which `pod_lost` ended with the pod that was killed and `moved` ran again in another;
    `slowest_seconds`: the longest that a caller waited for the answer to a start.
    """

    name: str
    tries: int
    findings: Findings
    trouble: str
    sessions: int
    pod_lost: int
    moved: int
    slowest_seconds: float
    seconds: float

    def count(self, word: Word) -> int:
        return len(self.findings[word])

    def troubles(self) -> list[str]:
        """Each finding, and why the case could not be made to happen as often as it was to."""
        told = [f"{self.name}: made {self.tries} times, then not: {self.trouble}"] if self.trouble else []
        for word, found in self.findings.items():
            told += [f"{self.name}: {word}: {subject}: {text}" for subject, text in found.items()]
        return told

    def summary(self) -> str:
        """In a line."""
        found = ", ".join(f"{len(found)} {word}" for word, found in self.findings.items() if found)
        end = f"; stopped: {self.trouble.splitlines()[0]}" if self.trouble else ""
        made = f"{self.tries} made in {self.seconds:.0f} s, {self.sessions} sessions"
        return f"{self.name}: {made}, {found or 'all well'}{end}"


async def run_lineup(plane: ControlPlane, directory: Path, lineup: Lineup, plan: Plan) -> AsyncIterator[Outcome]:
    """One stack, its cases one after another. AssertionError at the end when a program tripped over itself."""
    stack = Stack(
        plane,
        directory,
        lineup.fleets,
        operators=lineup.operators,
        apis=lineup.apis,
        tolerance=lineup.tolerance,
        relayed=lineup.relayed,
    )
    stack.judged = False  # each case is judged at its own end
    async with stack, lineup.beside(stack):
        bench = Bench(Scene(stack, Load(stack, lineup.callers, Random(lineup.name)), plan.outage_seconds))
        for case in lineup.cases:
            yield await bench.run(case, plan)
        stack.judge_logs()
        if not lineup.alone:
            await stack.judge_denials()


class Bench:
    """One scene, on which one case after another is tried."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._told: set[tuple[Word, str]] = set()

    async def run(self, case: Case, plan: Plan) -> Outcome:
        scene, begun = self._scene, time.monotonic()
        before, made, trouble = len(scene.load.lives), 0, ""
        tries = plan.tries_of(case)
        plan.say(f"{case.name}: {tries} tries")
        try:
            async with scene.load.running():
                await scene.until_calm()
                for _ in range(tries):
                    await self._try(case)
                    made += 1
        except Exception as error:  # whatever it was: the case has not happened as often as it was to
            trouble = f"{type(error).__name__}: {error}"
        findings = await self._judged()
        await scene.stack.settle()
        lives = scene.load.lives[before:]
        return self._outcome(case, made, findings, trouble, lives, time.monotonic() - begun)

    async def _try(self, case: Case) -> None:
        """Some sessions live from before the fault until all is well again."""
        scene = self._scene
        staying = [await scene.load.begin(finish_seconds=None, again=number % 2 == 1) for number in range(_STAYING)]
        await case.hurt(scene)
        await scene.until_calm()
        await asyncio.gather(*(scene.load.see_through(life) for life in staying))

    async def _judged(self) -> Findings:
        """What is new: the evidence is of all that has happened on this stack."""
        findings = await asyncio.to_thread(judge, self._scene.evidence())
        new: Findings = {
            word: {subject: text for subject, text in found.items() if (word, subject) not in self._told}
            for word, found in findings.items()
        }
        self._told |= {(word, subject) for word, found in new.items() for subject in found}
        return new

    def _outcome(
        self, case: Case, tries: int, findings: Findings, trouble: str, lives: list[Life], seconds: float
    ) -> Outcome:
        names = {life.session for life in lives}
        bodies = [body for body in self._scene.stack.recorder.sessions() if events.name(body) in names]
        waits = [life.answered_at - life.asked_at for life in lives if life.answered_at is not None]
        return Outcome(
            name=case.name,
            tries=tries,
            findings=findings,
            trouble=trouble,
            sessions=len(lives),
            pod_lost=sum(events.status(body).get("reason") == "PodLost" for body in bodies),
            moved=sum(events.attempt(body) > 1 for body in bodies),
            slowest_seconds=max(waits, default=0.0),
            seconds=seconds,
        )
