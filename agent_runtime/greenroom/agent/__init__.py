"""Agents that take part in calls. Cheap to import: no engine and no numpy comes with it."""

from __future__ import annotations

from greenroom.agent.agent import Agent
from greenroom.agent.calls import Call, CallSink, Connection, Edge
from greenroom.agent.casting import Cast
from greenroom.agent.conversation import Conversation, Message, Role, ToolCall
from greenroom.agent.interfaces import LLM, STT, TTS, VAD, TurnDetection
from greenroom.agent.participants import Participant, User
from greenroom.agent.processors import AudioProcessor, VideoProcessor
from greenroom.agent.realtime import Realtime
from greenroom.agent.turn_taking import TurnTakingSTT

__all__ = [
    "LLM",
    "STT",
    "TTS",
    "VAD",
    "Agent",
    "AudioProcessor",
    "Call",
    "CallSink",
    "Cast",
    "Connection",
    "Conversation",
    "Edge",
    "Message",
    "Participant",
    "Realtime",
    "Role",
    "ToolCall",
    "TurnDetection",
    "TurnTakingSTT",
    "User",
    "VideoProcessor",
]
