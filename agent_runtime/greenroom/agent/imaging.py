"""Pixels: sizes, forms, JPEG. Blocks for milliseconds, so all but :func:`fitted` belongs in a thread.

Pillow comes with the extra `video` and is imported when it is first needed.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MISSING = "pictures need the package 'pillow': pip install 'greenroom[video]'"
_BLACK, _WHITE, _NEUTRAL, _CHROMA_RANGE = 16, 235, 128, 224  # of video, BT.601; a JPEG's are 0, 255, 128, 255


def fitted(width: int, height: int, longest_side: int) -> tuple[int, int]:
    """The size of a picture that is to be no larger than `longest_side`, in the same proportions."""
    longest = max(width, height)
    if longest <= longest_side:
        return width, height
    return max(1, round(width * longest_side / longest)), max(1, round(height * longest_side / longest))


def require_pillow() -> None:
    """Raises :class:`ModuleNotFoundError`, with the way out, where Pillow is not installed. Does not import it."""
    if find_spec("PIL") is None:
        raise ModuleNotFoundError(_MISSING, name="PIL")


def jpeg(width: int, height: int, rgb: bytes, quality: int) -> bytes:
    """A JPEG file, `quality` 1 to 95."""
    file = io.BytesIO()
    _pillow().frombuffer("RGB", (width, height), rgb).save(file, "JPEG", quality=quality)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Rgb:
    """Pixels that are there already. Is a :class:`greenroom.agent.video.Picture`."""

    width: int
    height: int
    pixels: bytes

    def rgb(self, width: int, height: int) -> bytes:
        if (width, height) == (self.width, self.height):
            return self.pixels
        image = _pillow().frombuffer("RGB", (self.width, self.height), self.pixels)
        scaled: bytes = image.resize((width, height), _pillow().Resampling.BILINEAR).tobytes()
        return scaled


@dataclass(frozen=True, slots=True)
class I420:
    """Video as most decoders give it: the plane of brightness, then two of colour at half the size, no gaps."""

    width: int
    height: int
    planes: Buffer

    def rgb(self, width: int, height: int) -> bytes:
        whole = (self.width, self.height)
        half = ((self.width + 1) // 2, (self.height + 1) // 2)
        values, start, bands = memoryview(self.planes).cast("B"), 0, []
        for size, stretch in ((whole, _BRIGHTNESS), (half, _COLOUR), (half, _COLOUR)):
            end = start + size[0] * size[1]
            bands.append(_band(values[start:end], size, (width, height), stretch))
            start = end
        pixels: bytes = _pillow().merge("YCbCr", bands).convert("RGB").tobytes()
        return pixels


@dataclass(frozen=True, slots=True)
class Decoded:
    """A frame of PyAV (`av.VideoFrame`), which converts and scales it in one go."""

    frame: Any
    _one_at_a_time: Lock = field(default_factory=Lock)  # a frame keeps what it converts with

    def rgb(self, width: int, height: int) -> bytes:
        with self._one_at_a_time:
            converted = self.frame.reformat(width=width, height=height, format="rgb24")
        plane, row_bytes = converted.planes[0], 3 * width
        padded = memoryview(plane)
        if plane.line_size == row_bytes:
            return bytes(padded[: row_bytes * height])
        return b"".join(padded[row : row + row_bytes] for row in range(0, plane.line_size * height, plane.line_size))


def _stretch(low: int, span: int, neutral: int) -> list[int]:
    """What each value of video is in a JPEG, if those of video begin at `low` and go on for `span`."""
    return [min(255, max(0, round((value - low) * 255 / span + neutral))) for value in range(256)]


_BRIGHTNESS = _stretch(_BLACK, _WHITE - _BLACK, 0)
_COLOUR = _stretch(_NEUTRAL, _CHROMA_RANGE, _NEUTRAL)


def _band(values: Buffer, size: tuple[int, int], wanted: tuple[int, int], stretch: list[int]) -> Any:
    pillow = _pillow()
    plane = pillow.frombuffer("L", size, values)
    return (plane if size == wanted else plane.resize(wanted, pillow.Resampling.BILINEAR)).point(stretch)


def _pillow() -> Any:
    try:
        return import_module("PIL.Image")
    except ModuleNotFoundError as missing:
        if missing.name not in ("PIL", "PIL.Image"):
            raise
        raise ModuleNotFoundError(_MISSING, name="PIL") from None
