"""What a live session of Gemini is opened with. Does no I/O; plain JSON in the API's own names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenroom.agent.conversation import Role
from greenroom.plugins.gemini.contents import CallMemory, contents, declarations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenroom.agent.conversation import Message
    from greenroom.agent.realtime import Opening

_BEFORE_3 = re.compile(r"-[12]\.\d")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What of a session is the user's choice; None is Gemini's own."""

    model: str
    voice: str | None
    language: str | None
    temperature: float | None
    silence_ms: int | None

    @property
    def replies_to_history(self) -> bool:
        """Models before Gemini 3 take a history only as something to reply to."""
        return _BEFORE_3.search(self.model) is not None


def session_config(wishes: Wishes, opening: Opening, handle: str | None, history: bool) -> dict[str, Any]:
    """The first message. `handle` is of the session to go on with; `history` says that the conversation so far comes
    next."""
    spoken = {
        "voiceConfig": wishes.voice and {"prebuiltVoiceConfig": {"voiceName": wishes.voice}},
        "languageCode": wishes.language,
    }
    silence = {"automaticActivityDetection": {"silenceDurationMs": wishes.silence_ms}}
    config = {
        "responseModalities": ["AUDIO"],
        "systemInstruction": opening.instructions,
        "tools": opening.tools and [{"functionDeclarations": declarations(opening.tools)}],
        "speechConfig": {name: value for name, value in spoken.items() if value},
        "temperature": wishes.temperature,
        "realtimeInputConfig": None if wishes.silence_ms is None else silence,
        "historyConfig": {"initialHistoryInClientContent": True} if history else None,
    }
    return {
        **{name: value for name, value in config.items() if value not in (None, "", (), {})},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
        "sessionResumption": {"handle": handle} if handle else {},
        "contextWindowCompression": {"slidingWindow": {}},  # without it a session ends after 15 minutes
    }


def history(messages: Sequence[Message], wishes: Wishes) -> list[dict[str, Any]]:
    """What was said, without what functions gave: a new session knows no calls of another."""
    spoken = [message for message in messages if message.text and message.role is not Role.TOOL]
    told = contents(spoken, CallMemory())
    if told and wishes.replies_to_history and told[-1]["role"] != "user":
        told.append({"role": "user", "parts": [{"text": " "}]})
    return told
