"""Frames: made into pixels when somebody asks, not before, and in a thread."""

from __future__ import annotations

import io
import subprocess
import sys
import threading

import pytest
from PIL import Image

from greenroom.agent import imaging
from greenroom.agent.imaging import I420, Rgb
from greenroom.agent.video import VideoFrame

RED, GREEN = (220, 30, 40), (20, 180, 60)


def plain(width: int, height: int, colour: tuple[int, int, int]) -> VideoFrame:
    return VideoFrame(width, height, 0.0, Rgb(width, height, bytes(colour) * (width * height)))


def i420(width: int, height: int, y: int, u: int, v: int) -> I420:
    quarter = ((width + 1) // 2) * ((height + 1) // 2)
    return I420(width, height, bytes([y]) * (width * height) + bytes([u]) * quarter + bytes([v]) * quarter)


def decoded(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


def near(pixel: object, colour: tuple[int, int, int], tolerance: int = 4) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(one - other) <= tolerance for one, other in zip(pixel, colour, strict=True))


class Counted:
    """A picture that notes who asks."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, str]] = []

    def rgb(self, width: int, height: int) -> bytes:
        self.asked.append((width, height, threading.current_thread().name))
        return bytes(RED) * (width * height)


async def test_nothing_is_converted_before_somebody_asks_and_then_in_a_thread_and_once() -> None:
    picture = Counted()
    frame = VideoFrame(640, 360, 0.0, picture)
    small = frame.within(320)
    assert (small.width, small.height, small.at) == (320, 180, 0.0)
    assert picture.asked == []

    jpeg = await small.jpeg()
    assert await frame.within(320).jpeg() is jpeg
    ((width, height, thread),) = picture.asked
    assert (width, height) == (320, 180)
    assert thread != threading.main_thread().name
    assert near(decoded(jpeg).getpixel((100, 100)), RED)


async def test_pixels_come_row_by_row_from_the_top_left() -> None:
    rows = bytes(RED) * 2 + bytes(GREEN) * 2
    assert await VideoFrame(2, 2, 0.0, Rgb(2, 2, rows)).rgb() == rows


async def test_a_picture_that_is_small_enough_stays_as_it_is() -> None:
    frame = plain(64, 48, GREEN)
    assert frame.within(64) is frame
    assert decoded(await frame.jpeg()).size == (64, 48)


@pytest.mark.parametrize(
    ("size", "longest_side", "fitted"),
    [((1280, 720), 768, (768, 432)), ((720, 1280), 768, (432, 768)), ((4000, 1), 100, (100, 1)), ((9, 9), 9, (9, 9))],
)
def test_proportions_are_kept(size: tuple[int, int], longest_side: int, fitted: tuple[int, int]) -> None:
    assert imaging.fitted(*size, longest_side) == fitted


@pytest.mark.parametrize(
    ("values", "colour"),
    [((16, 128, 128), (0, 0, 0)), ((235, 128, 128), (255, 255, 255)), ((81, 90, 240), (254, 0, 0))],
)
def test_video_becomes_the_colours_it_means(values: tuple[int, int, int], colour: tuple[int, int, int]) -> None:
    pixels = i420(5, 3, *values).rgb(5, 3)
    assert len(pixels) == 5 * 3 * 3
    assert near(tuple(pixels[:3]), colour)
    scaled = i420(64, 32, *values).rgb(16, 8)
    assert len(scaled) == 16 * 8 * 3
    assert near(tuple(scaled[-3:]), colour)


async def test_a_frame_of_a_decoder_is_converted_without_its_padding() -> None:
    av = pytest.importorskip("av", reason="the test tools of the group `vendors` are not installed")
    source = av.VideoFrame(width=50, height=20, format="yuv420p")  # 150 bytes a row: padded
    for plane, value in zip(source.planes, (81, 90, 240), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    frame = VideoFrame(50, 20, 0.0, imaging.Decoded(source))
    pixels = await frame.rgb()
    assert len(pixels) == 50 * 20 * 3
    assert near(tuple(pixels[-3:]), (254, 0, 0))
    assert len(await frame.within(25).rgb()) == 25 * 10 * 3


async def test_without_pillow_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    frame = plain(4, 4, RED)
    assert len(await frame.rgb()) == 48, "needs no library"
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'greenroom\[video\]'"):
        await frame.jpeg()


def test_an_agent_file_imports_no_imaging_library() -> None:
    heavy = "print([name for name in ('PIL', 'numpy', 'av') if name in __import__('sys').modules])"
    code = f"import greenroom.agent, greenroom.agent.video, greenroom.agent.sight; {heavy}"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
