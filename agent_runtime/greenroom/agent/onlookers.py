"""Who looks and listens along in one call: processors, and a model that sees; and at what: the call, or a video file.

Knows nothing of the conversation.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from greenroom.agent.events import AgentErrorEvent
from greenroom.agent.processing import Processing
from greenroom.agent.sight import Sight

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from greenroom.agent.components import Components
    from greenroom.agent.events import Event
    from greenroom.agent.film import Film
    from greenroom.agent.participants import Participant
    from greenroom.agent.sight import Seen, View
    from greenroom.agent.video import VideoFrame
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent")


class Onlookers:
    """Of `parts`, which may be others until the call begins. `tell` is told what fails."""

    def __init__(self, parts: Components, tell: Callable[[Event], None], clock: Clock) -> None:
        self.parts = parts
        self._tell = tell
        self._clock = clock
        self._name = ""
        self._film: Film | None = None
        self._sight = Sight(clock)
        self._processing = Processing(parts.processors, self._processor_failed, clock)

    def watch(self, film: Film) -> None:
        """Look at `film` instead of the call's video."""
        self._film = film

    def works(self, name: str) -> Iterator[Coroutine[Any, Any, None]]:
        """All that they do in the call of session `name`, each until it is cancelled."""
        self._name = name
        yield from self._processing.works(self._sight)
        if self._film is not None:
            yield self._play(self._film)

    # --- what the edge reports ---

    @property
    def want_video(self) -> bool:
        return self.parts.want_video and self._film is None

    def video_received(self, participant: Participant, frame: VideoFrame) -> None:
        if self.want_video:
            self._sight.show(participant, frame)

    def audio_received(self, participant: Participant, pcm: bytes) -> None:
        self._processing.audio_received(participant, pcm)

    def participant_left(self, participant: Participant) -> None:
        self._sight.forget(participant)
        self._processing.participant_left(participant)

    def close(self) -> None:
        """The call is over: keep nothing that was seen."""
        self._sight.close()

    # --- what a model sees ---

    def pictures(self) -> tuple[Seen, ...]:
        """What goes with a question that is asked now."""
        wish = self.parts.llm.picture_wish
        return () if wish is None else self._sight.pictures(wish)

    def view(self, fps: float) -> View:
        """One more looker, to the end of the call."""
        return self._sight.view(fps)

    # --- inside ---

    async def _play(self, film: Film) -> None:
        if not self.parts.want_video:
            logger.warning("[%s] nobody looks at the video file: no processor, and no model that sees", self._name)
            return
        try:
            await film.play(self._sight.show, self._clock)
        except ValueError as error:
            logger.warning("[%s] the video file is not shown, the call goes on: %s", self._name, error)
            self._tell(AgentErrorEvent("video", error))

    def _processor_failed(self, processor: object, error: Exception) -> None:
        name, what = type(processor).__name__, type(error).__name__
        logger.warning("[%s] processor %s failed, the call goes on: %s: %s", self._name, name, what, error)
        self._tell(AgentErrorEvent("processor", error))
