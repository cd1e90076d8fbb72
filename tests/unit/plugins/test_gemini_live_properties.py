"""Whatever Gemini sends, in whatever order: what is made of it keeps to what an agent's model may say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.agent.realtime import (
    CallsWanted,
    ReplyDropped,
    ReplyOver,
    ReplySound,
    ReplyWords,
    Said,
    UserBegan,
    UserOver,
    UserSaid,
    UserSoFar,
)
from greenroom.plugins.gemini.live_turns import LiveTurns

types = pytest.importorskip("google.genai.types")

SOUND = {"parts": [{"inline_data": {"mime_type": "audio/pcm;rate=24000", "data": b"\x00\x10" * 480}}]}
CONTENTS = (
    {"input_transcription": {"text": "some words "}},
    {"output_transcription": {"text": "some words "}},
    {"model_turn": SOUND},
    {"model_turn": SOUND, "output_transcription": {"text": "more"}, "input_transcription": {"text": "late"}},
    {"interrupted": True},
    {"interrupted": True, "turn_complete": True},
    {"generation_complete": True},
    {"turn_complete": True},
    {"turn_complete": True, "interaction_status": "IN_PROGRESS"},
    {"generation_complete": True, "turn_complete": True},
)
MESSAGES = (
    *({"server_content": content} for content in CONTENTS),
    {"tool_call": {"function_calls": [{"id": "1", "name": "a", "args": {}}]}},
    {"tool_call_cancellation": {"ids": ["1"]}},
    {"go_away": {"time_left": "1s"}},
)
STEPS = st.lists(
    st.sampled_from([types.LiveServerMessage.model_validate(one) for one in MESSAGES])
    | st.sampled_from(["ask", "result"])
)


class Listener:
    """Keeps to the rules of what may be said, and complains."""

    def __init__(self) -> None:
        self.user_speaks = False
        self.replying = False
        self.unsaid = ""

    def hear(self, said: Said) -> None:
        match said:
            case UserBegan():
                assert not self.user_speaks
                self.user_speaks = True
            case UserSoFar(text):
                assert self.user_speaks
                self.unsaid = text
            case UserOver():
                assert self.user_speaks
                self.user_speaks = False
            case UserSaid(text):
                assert not self.user_speaks
                assert text.startswith(self.unsaid)
                self.unsaid = ""
            case ReplySound() | ReplyWords() | CallsWanted():
                assert not self.user_speaks, "its turn was said to be over first"
                self.replying = True
            case ReplyOver() | ReplyDropped():
                self.replying = False


@given(steps=STEPS, deaf=st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_order(steps: list[Any], deaf: bool) -> None:
    turns, listener = LiveTurns(deaf), Listener()
    for step in steps:
        if step == "ask":
            turns.asked = True
        elif step == "result":
            turns.answered("1")
        else:
            for said in turns.read(step):
                listener.hear(said)
    for said in turns.cut()[0]:
        listener.hear(said)
    assert not listener.replying, "every reply has an end"
    assert not listener.user_speaks
    assert listener.unsaid == "", "whatever was understood was said"
