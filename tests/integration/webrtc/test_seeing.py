"""An agent that sees the camera of a browser: its processors while the call lasts, its model when it is asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.fakes import scripted_voice as scripted
from tests.fakes.browser import Browser

from greenroom.agent import Agent, Participant, User, VideoProcessor
from greenroom.agent.interfaces import TextDelta
from greenroom.agent.sight import PictureWish
from greenroom.plugins import local
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from greenroom.agent.video import VideoFrame

DEADLINE_SECONDS = 60.0


class Looker(VideoProcessor):
    fps = 10.0

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.third = asyncio.Event()

    async def process_video(self, participant: Participant, frame: VideoFrame) -> None:
        self.sizes.append((frame.width, frame.height))
        if len(self.sizes) == 3:
            self.third.set()


async def test_a_processor_and_a_model_see_the_camera_of_a_browser() -> None:
    clock, looker, browser = SystemClock(), Looker(), Browser(video=True)
    llm = scripted.Llm(clock, [[TextDelta("I see green.")]])
    llm.picture_wish = PictureWish()
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    agent = Agent(
        edge=local.Edge(await browser.offer()),
        agent_user=User(id="agent"),
        llm=llm,
        tts=scripted.Tts(clock),
        processors=[looker],
    )
    agent.on_answer(answered.set_result)

    async def take_answer() -> None:
        await browser.take(await answered)

    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(take_answer())
        async with agent.join(await agent.create_call("default", "c")):
            await looker.third.wait()
            await agent.simple_response("What do you see?")
    await browser.hang_up()
    assert set(looker.sizes) == {(640, 480)}
    (shown,) = llm.requests[0].pictures
    red, green, blue = (await shown.frame.within(32).rgb())[:3]
    assert green > max(red, blue), "aiortc's own picture is green"
    assert (await shown.frame.within(32).jpeg()).startswith(b"\xff\xd8")
