"""What a live session of Gemini is opened with. Does no I/O; plain JSON in the API's own names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenroom.agent.conversation import Role
from greenroom.plugins.gemini.contents import CallMemory, contents, declarations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greenroom.agent.conversation import Message
    from greenroom.agent.realtime import Opening

_ELSEWHERE = {
    "systemInstruction": "it is the agent's instructions",
    "tools": "functions are those of register_function, others are not taken",
    "responseModalities": "it speaks",
    "sessionResumption": "it goes on by itself over another connection",
    "historyConfig": "the history is the agent's conversation",
    "httpOptions": "pass base_url=",
}
_BEFORE_3 = re.compile(r"-[12]\.\d")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What of a session is the user's choice; None is Gemini's own."""

    model: str
    voice: str | None
    language: str | None
    temperature: float | None
    silence_ms: int | None
    further: Mapping[str, Any] = field(default_factory=dict)

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
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
        "contextWindowCompression": {"slidingWindow": {}},  # without it a session ends after 15 minutes
        **wishes.further,
        **{name: value for name, value in config.items() if value not in (None, "", (), {})},
        "sessionResumption": {"handle": handle} if handle else {},
    }


def further(config: Mapping[str, Any] | Any | None) -> dict[str, Any]:
    """What the SDK's `config`, an object or a mapping, has. Raises :class:`ValueError` for what is set elsewhere."""
    dump = getattr(config, "model_dump", None)
    given = dump(exclude_none=True) if dump is not None else dict(config or {})
    named = {re.sub(r"_(\w)", lambda match: match[1].upper(), name): value for name, value in given.items()}
    for name, way_out in _ELSEWHERE.items():
        if name in named:
            raise ValueError(f"gemini.Realtime takes no {name} in config: {way_out}")
    return named


def history(messages: Sequence[Message], wishes: Wishes) -> list[dict[str, Any]]:
    """What was said, without what functions gave: a new session knows no calls of another."""
    spoken = [message for message in messages if message.text and message.role is not Role.TOOL]
    told = contents(spoken, CallMemory())
    if told and wishes.replies_to_history and told[-1]["role"] != "user":
        told.append({"role": "user", "parts": [{"text": " "}]})
    return told
