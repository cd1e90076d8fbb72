"""The form of pictures inside an agent: a frame is what came, and becomes pixels only when somebody asks.

Must need neither numpy nor an imaging library: it is imported with every agent file.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from greenroom.agent import imaging

JPEG_QUALITY = 75


class Picture(Protocol):
    """The pixels in the form that they came in. Asked in threads, perhaps several at once, and any number of times."""

    def rgb(self, width: int, height: int) -> bytes:
        """All of it at this size: 3 bytes a pixel, row by row from the top left."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One picture of `width` × `height`. `at` is when it arrived, in seconds of the agent's clock (`Clock.boot`).

    Pixels are made in a thread, so a frame that nobody looks at costs nothing.
    """

    width: int
    height: int
    at: float
    picture: Picture = field(repr=False)
    _jpegs: dict[tuple[int, int, int], bytes] = field(default_factory=dict, repr=False)

    def within(self, longest_side: int) -> VideoFrame:
        """This picture no larger than that, its proportions kept; itself if it is not larger."""
        size = imaging.fitted(self.width, self.height, longest_side)
        return self if size == (self.width, self.height) else VideoFrame(*size, self.at, self.picture, self._jpegs)

    async def rgb(self) -> bytes:
        """3 bytes a pixel, row by row from the top left: `3 * width * height` in all."""
        return await asyncio.to_thread(self.picture.rgb, self.width, self.height)

    async def jpeg(self, quality: int = JPEG_QUALITY) -> bytes:
        """As a JPEG file, made once for each size. Raises :class:`ModuleNotFoundError` without the extra `video`."""
        form = (self.width, self.height, quality)
        if form not in self._jpegs:
            self._jpegs[form] = await asyncio.to_thread(self._encode, quality)
        return self._jpegs[form]

    def _encode(self, quality: int) -> bytes:
        return imaging.jpeg(self.width, self.height, self.picture.rgb(self.width, self.height), quality)
