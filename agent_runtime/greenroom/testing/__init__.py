"""For the tests of an agent: a conversation with it in this process, and what came of each turn.

Knows no test framework: what does not hold is an AssertionError. Cheap to import, as the agents are.
"""

from __future__ import annotations

from greenroom.testing.conversation import Conversation
from greenroom.testing.log import CallOver, WaitedTooLong
from greenroom.testing.realtime import ScriptedRealtime
from greenroom.testing.script import Call, Pause, ScriptError
from greenroom.testing.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from greenroom.testing.turn import Turn

__all__ = [
    "Call",
    "CallOver",
    "Conversation",
    "Pause",
    "ScriptError",
    "ScriptedLLM",
    "ScriptedRealtime",
    "ScriptedSTT",
    "ScriptedTTS",
    "Turn",
    "WaitedTooLong",
]
