"""Runs steps one after another, says how each went, and stops at the first that fails."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e.diagnosis import tell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tests.e2e.scene import Scene


@dataclass(frozen=True, slots=True)
class Step:
    """A title for the line of output, and what is done; an AssertionError says that it went wrong."""

    title: str
    run: Callable[[Scene], Awaitable[None]]


async def run_steps(scene: Scene, steps: Sequence[Step], say: Callable[[str], None]) -> bool:
    """Whether all passed."""
    for number, step in enumerate(steps, 1):
        begun = time.monotonic()
        try:
            await step.run(scene)
        except Exception as error:  # whatever it was, the step has not done what it says
            say(f"e2e: FAILED {number:02d} {step.title} ({time.monotonic() - begun:.1f} s)")
            say("".join(traceback.format_exception(error)))
            await tell(scene, say)
            say(f"e2e: FAILED {number:02d} {step.title}: {type(error).__name__}: {error}")
            return False
        seconds = time.monotonic() - begun
        say(f"e2e: ok {number:02d} {step.title} ({seconds:.1f} s)")
    return True
