"""The plugins that docs/plugins.md shows work in a call."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.fakes import scripted_voice as scripted
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent import Agent, User
from greenroom.agent.audio import silence
from greenroom.agent.imaging import Rgb
from greenroom.agent.video import VideoFrame

DOCS = Path(__file__).parents[3] / "docs" / "plugins.md"


def shown() -> dict[str, Any]:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL):
        exec(compile("from __future__ import annotations\n" + block, str(DOCS), "exec"), names)
    return names


def test_an_agent_made_of_them_hears_and_answers() -> None:
    parts, clock = shown(), VirtualClock()
    edge = scripted.Edge(clock)
    agent = Agent(
        edge=edge,
        agent_user=User(id="agent"),
        llm=parts["Echo"](),
        tts=parts["Beep"](),
        stt=parts["Shouts"](),
        clock=clock,
    )

    async def scene() -> None:
        async with agent.join(await agent.create_call("default", "c")):
            assert edge.connection is not None
            await edge.connection.speak(scripted.tone(0.08) + silence(0.2))
            await clock.sleep(3)

    run_virtual(scene())
    said = [(message.role.value, message.text) for message in agent.conversation.messages]
    assert said[-1] == ("assistant", "You said: hey")
    assert edge.connection is not None
    assert len(edge.connection.sent) == 30, "0.2 s a word, in frames of 20 ms"


def test_its_model_that_speaks_repeats_sounds_and_words() -> None:
    clock = VirtualClock()
    edge = scripted.Edge(clock)
    agent = Agent(edge=edge, agent_user=User(id="agent"), llm=shown()["Parrot"](), clock=clock)

    async def scene() -> None:
        async with agent.join(await agent.create_call("default", "c")):
            assert edge.connection is not None
            await edge.connection.speak(scripted.tone(0.4) + silence(0.2))
            await clock.sleep(3)
            await agent.simple_response("Hello")

    run_virtual(scene())
    said = [(message.role.value, message.text) for message in agent.conversation.messages]
    assert said == [
        ("user", "a sound"),
        ("assistant", "You made a sound."),
        ("user", "Hello"),
        ("assistant", "Hello"),
    ]
    assert edge.connection is not None
    assert len(edge.connection.sent) == 20 + 25, "the sound that was heard, and half a second of silence"


def test_its_processor_knows_whether_the_light_is_on() -> None:
    light, clock = shown()["Light"](), VirtualClock()
    edge = scripted.Edge(clock)
    agent = Agent(
        edge=edge,
        agent_user=User(id="agent"),
        llm=scripted.Llm(clock, []),
        tts=scripted.Tts(clock),
        processors=[light],
        clock=clock,
    )

    async def scene() -> list[bool]:
        seen = []
        async with agent.join(await agent.create_call("default", "c")):
            assert edge.connection is not None
            for value in (240, 10):
                picture = Rgb(128, 72, bytes([value]) * (128 * 72 * 3))
                edge.connection.sink.video_received(scripted.CALLER, VideoFrame(128, 72, clock.boot(), picture))
                await clock.sleep(0.6)
                seen.append(light.on[scripted.CALLER.id])
        return seen

    assert run_virtual(scene()) == [True, False]
