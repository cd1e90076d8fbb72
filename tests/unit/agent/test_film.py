"""A video file instead of the call's video: at its own pace, over and over, and told what is wrong with it."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent import Agent, Participant, User, VideoProcessor
from greenroom.agent.events import AgentErrorEvent
from greenroom.agent.video import VideoFrame

av = pytest.importorskip("av", reason="the test tools of the group `vendors` are not installed")

CLOCK = VirtualClock()
SECONDS, FPS = 2, 10


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds: one red, one blue."""
    return filmed(tmp_path_factory.mktemp("film") / "clip.mkv", "mpeg4")


def filmed(path: Path, codec: str, **options: str) -> Path:
    with av.open(str(path), "w", **options) as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(SECONDS * FPS):
            frame = av.VideoFrame(64, 48, "yuv420p")
            colour = (81, 90, 240) if number < FPS else (41, 240, 110)
            for plane, value in zip(frame.planes, colour, strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


class Looker(VideoProcessor):
    fps = 30.0

    def __init__(self) -> None:
        self.seen: list[tuple[float, str, str]] = []

    async def process_video(self, participant: Participant, frame: VideoFrame) -> None:
        red, _, blue = (await frame.rgb())[:3]
        self.seen.append((frame.at, participant.name, "red" if red > blue else "blue"))


def agent_with(*processors: VideoProcessor) -> tuple[Agent, scripted.Edge, list[AgentErrorEvent]]:
    edge = scripted.Edge(CLOCK)
    agent = Agent(
        edge=edge,
        llm=scripted.Llm(CLOCK, []),
        tts=scripted.Tts(CLOCK),
        agent_user=User(id="agent"),
        processors=processors,
        clock=CLOCK,
    )
    errors: list[AgentErrorEvent] = []

    @agent.subscribe
    def keep(event: AgentErrorEvent) -> None:
        errors.append(event)

    return agent, edge, errors


def run(agent: Agent, edge: scripted.Edge, seconds: float) -> bool:
    """The call, and whether its own video was wanted."""

    async def scene() -> bool:
        async with agent.join(await agent.create_call("default", "c1")):
            await CLOCK.sleep(seconds)
            assert edge.connection is not None
            return edge.connection.sink.wants_video

    return run_virtual(scene())


def test_the_file_is_seen_in_real_time_and_over_and_over(clip: Path) -> None:
    looker = Looker()
    agent, edge, errors = agent_with(looker)
    agent.set_video_track_override_path(str(clip))
    assert not run(agent, edge, seconds=5.0), "the call's own video is not asked for"
    began_at = looker.seen[0][0]
    assert {name for _, name, _ in looker.seen} == {"clip.mkv"}
    by_second = [{colour for at, _, colour in looker.seen if n <= at - began_at - 0.05 < n + 0.85} for n in range(4)]
    assert by_second == [{"red"}, {"blue"}, {"red"}, {"blue"}]
    assert 45 <= len(looker.seen) <= 51
    assert errors == []


def test_pictures_without_times_come_fifteen_a_second(tmp_path: Path) -> None:
    looker = Looker()
    agent, edge, errors = agent_with(looker)
    agent.set_video_track_override_path(str(filmed(tmp_path / "clip.h264", "libx264", format="h264")))
    run(agent, edge, seconds=SECONDS * FPS / 15)
    assert errors == []
    assert 10 <= len(looker.seen) <= 20
    assert [looker.seen[0][2], looker.seen[-1][2]] == ["red", "blue"]


def test_a_file_that_cannot_be_read_is_reported_and_the_call_goes_on(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all" * 100)
    looker = Looker()
    agent, edge, errors = agent_with(looker)
    agent.set_video_track_override_path(str(broken))
    run(agent, edge, seconds=1.0)
    (event,) = errors
    assert event.part == "video"
    assert "broken.mp4' cannot be read" in str(event.error)


def test_a_file_at_which_nobody_looks_is_not_opened(clip: Path, caplog: pytest.LogCaptureFixture) -> None:
    agent, edge, errors = agent_with()
    agent.set_video_track_override_path(str(clip))
    run(agent, edge, seconds=1.0)
    assert "nobody looks at the video file" in caplog.text
    assert errors == []


def test_what_can_be_known_is_said_at_once(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent, _, _ = agent_with()
    with pytest.raises(ValueError, match=r"video file '/no/such\.mp4': there is no such file"):
        agent.set_video_track_override_path("/no/such.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'greenroom\[webrtc\]'"):
        agent.set_video_track_override_path(str(clip))


def test_it_is_too_late_once_the_agent_joins(clip: Path) -> None:
    agent, _, _ = agent_with()

    async def scene() -> None:
        async with agent.join(await agent.create_call("default", "c1")):
            with pytest.raises(RuntimeError, match="set the video file before"):
                agent.set_video_track_override_path(str(clip))

    run_virtual(scene())
