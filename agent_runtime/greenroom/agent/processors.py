"""The plugs for those who look and listen along: they get what comes from the call, at their own pace.

A processor may be slow, hang or fail: the conversation goes on. What it finds it keeps, or says by the agent's methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from greenroom.agent.interfaces import Component

if TYPE_CHECKING:
    from greenroom.agent.participants import Participant
    from greenroom.agent.video import VideoFrame


class VideoProcessor(Component, ABC):
    """Looks at the participants' video, one frame at a time."""

    fps: float = 5.0
    """At most so many frames a second, of all participants in turn."""

    limit_seconds: float = 10.0
    """A frame that takes longer is given up and reported."""

    @abstractmethod
    async def process_video(self, participant: Participant, frame: VideoFrame) -> None:
        """The latest frame of `participant`; meanwhile later ones replace each other. Must not block the event loop:
        `await frame.rgb()` makes pixels in a thread, `await asyncio.to_thread(…)` does the rest there."""


class AudioProcessor(Component, ABC):
    """Listens to each participant, also to those whom the agent does not answer."""

    seconds: float = 0.1
    """How much sound it gets at a time."""

    limit_seconds: float = 10.0
    """A piece that takes longer is given up and reported."""

    @abstractmethod
    async def process_audio(self, participant: Participant, pcm: bytes) -> None:
        """The next `seconds` of `participant` (`greenroom.agent.audio`). More than two seconds behind, the oldest
        sound is dropped. Must not block the event loop."""
