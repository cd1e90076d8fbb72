"""What pictures cost: one that is made for a model, and frames of cameras on their way to those who look."""

from __future__ import annotations

import asyncio
from time import process_time

import av
import numpy as np

from greenroom.agent.imaging import I420, Decoded
from greenroom.agent.participants import Participant
from greenroom.agent.sight import Sight, View
from greenroom.agent.video import VideoFrame
from greenroom_core.clock import SystemClock

WIDTH, HEIGHT, SIDE = 1280, 720, 768
FPS = 30


async def pictures(count: int) -> dict[str, float]:
    """Seconds of CPU, all threads together: a JPEG of a 720p frame from each kind of edge, whole and small; and of a
    frame that somebody looks at five times a second, to be taken in."""
    decoded = _frame()
    planes = decoded.to_ndarray()
    found = {}
    for name, picture in (("decoded", Decoded(decoded)), ("planes", I420(WIDTH, HEIGHT, planes.data))):
        for size, side in (("whole", WIDTH), ("small", SIDE)):

            def frame(picture: Decoded | I420 = picture, side: int = side) -> VideoFrame:
                return VideoFrame(WIDTH, HEIGHT, 0.0, picture).within(side)

            await frame().jpeg()
            began = process_time()
            for _ in range(count):
                await frame().jpeg()
            found[f"{name}, {size}"] = (process_time() - began) / count
    return found | {"taken in": await _taken_in(Decoded(decoded))}


async def _taken_in(picture: Decoded) -> float:
    clock = SystemClock()
    sight, who = Sight(clock), Participant("caller")
    looking = asyncio.create_task(_look(sight.view(5.0)))
    began = process_time()
    for _ in range(3 * FPS):
        sight.show(who, VideoFrame(WIDTH, HEIGHT, clock.boot(), picture))
        await asyncio.sleep(1 / FPS)
    used = process_time() - began
    looking.cancel()
    await asyncio.wait((looking,))
    return used / (3 * FPS)


async def _look(view: View) -> None:
    while True:
        await view.next()


def _frame() -> av.VideoFrame:
    """Slopes with a little noise, about as dear to compress as a room."""
    across, down = np.linspace(0, 6, WIDTH)[None, :], np.linspace(0, 4, HEIGHT)[:, None]
    slope = np.sin(across) * np.cos(down) * 80 + 128
    noise = np.random.default_rng(1).normal(0, 6, (HEIGHT, WIDTH, 3))
    rgb = np.clip(np.stack([slope, slope[::-1], slope[:, ::-1]], axis=-1) + noise, 0, 255).astype(np.uint8)
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
