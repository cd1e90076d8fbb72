"""The processors of one call at their work, each in a task of its own: its time limit, its failures, its pauses.

Knows nothing of the conversation.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from greenroom.agent.overhearing import Overhearing
from greenroom.agent.processors import AudioProcessor, VideoProcessor

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

    from greenroom.agent.participants import Participant
    from greenroom.agent.sight import Sight, View
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent.processing")

FIRST_PAUSE_SECONDS = 1.0  # after a failure, doubled by each further one: what always fails is tried seldom
LONGEST_PAUSE_SECONDS = 60.0


class Processing:
    """All processors of one call. `report` is told who failed, and how."""

    def __init__(self, processors: Iterable[Any], report: Callable[[Any, Exception], None], clock: Clock) -> None:
        self._processors = tuple(processors)
        self._report = report
        self._clock = clock
        self._overhearing: list[Overhearing] = []

    def works(self, sight: Sight) -> Iterator[Coroutine[Any, Any, None]]:
        """One for each processor that looks and each that listens; each runs until it is cancelled."""
        for processor in self._processors:
            if isinstance(processor, VideoProcessor):
                yield self._watch(processor, sight.view(processor.fps))
            if isinstance(processor, AudioProcessor):
                overheard = Overhearing(processor.seconds)
                self._overhearing.append(overheard)
                yield self._listen(processor, overheard)

    def audio_received(self, participant: Participant, pcm: bytes) -> None:
        for overheard in self._overhearing:
            overheard.push(participant, pcm)

    def participant_left(self, participant: Participant) -> None:
        for overheard in self._overhearing:
            overheard.forget(participant)

    async def _watch(self, processor: VideoProcessor, view: View) -> None:
        trials = self._trials(processor)
        try:
            while True:
                seen = await view.next()
                began_at = self._clock.boot()
                if await trials.succeed(processor.process_video(seen.participant, seen.frame)):
                    processor.metrics.on_video_detection((self._clock.boot() - began_at) * 1000)
        finally:
            _sum_up(processor, view.dropped, "frames", trials.failures)

    async def _listen(self, processor: AudioProcessor, overheard: Overhearing) -> None:
        trials = self._trials(processor)
        try:
            while True:
                await trials.succeed(processor.process_audio(*await overheard.next()))
        finally:
            _sum_up(processor, round(overheard.dropped_seconds, 1), "s of sound", trials.failures)

    def _trials(self, processor: VideoProcessor | AudioProcessor) -> Trials:
        def report(error: Exception) -> None:
            processor.metrics.on_processor_error()
            self._report(processor, error)

        return Trials(processor.limit_seconds, report, self._clock)


class Trials:
    """What one processor does, each time within `limit_seconds`. A failure is reported, and a pause follows it."""

    def __init__(self, limit_seconds: float, report: Callable[[Exception], None], clock: Clock) -> None:
        self._limit_seconds = limit_seconds
        self._report = report
        self._clock = clock
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self.failures = 0

    async def succeed(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether `work` came to a good end; if not, after the pause."""
        try:
            async with self._clock.timeout(self._limit_seconds):
                error = await _error_of(work)
        except TimeoutError:
            error = TimeoutError(f"took longer than {self._limit_seconds:g} s")
        if error is not None:
            await self._fail(error)
            return False
        self._pause_seconds = FIRST_PAUSE_SECONDS
        return True

    async def _fail(self, error: Exception) -> None:
        self.failures += 1
        self._report(error)
        pause = self._pause_seconds
        self._pause_seconds = min(2 * pause, LONGEST_PAUSE_SECONDS)
        await self._clock.sleep(pause)


async def _error_of(work: Coroutine[Any, Any, None]) -> Exception | None:
    try:
        await work
    except Exception as error:
        return error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return RuntimeError("what it waited for was cancelled")  # by its own doing: nobody has cancelled this task
    return None


def _sum_up(processor: object, dropped: float, what: str, failures: int) -> None:
    if dropped or failures:
        logger.info("%s: %g %s dropped, failed %d times", type(processor).__name__, dropped, what, failures)
