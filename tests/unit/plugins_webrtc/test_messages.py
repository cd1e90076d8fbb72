"""What a page is told: every event of an agent as JSON, bounded, without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from greenroom.agent import events
from greenroom.agent.participants import Participant
from greenroom.plugins.local.webrtc.messages import (
    MAX_MESSAGE_BYTES,
    MAX_TEXT_CHARACTERS,
    is_goodbye,
    of_custom,
    of_event,
)


def told(event: events.Event) -> dict[str, Any]:
    message = of_event(event)
    assert message is not None
    read = json.loads(message)
    assert isinstance(read, dict)
    return read


def test_an_event_is_its_type_and_its_fields() -> None:
    assert told(events.AgentTurnEndedEvent("It is sunny.", interrupted=True)) == {
        "type": "agent.agent_turn_ended",
        "text": "It is sunny.",
        "interrupted": True,
    }
    assert told(events.ParticipantJoinedEvent(Participant("7", "Ann"))) == {
        "type": "call.participant_joined",
        "participant": {"id": "7", "name": "Ann"},
    }


def test_a_function_is_shown_with_its_arguments() -> None:
    arguments = {"at": ["x", 1]}
    event = events.ToolCalledEvent("get_weather", "sunny", failed=False, duration_seconds=0.5, arguments=arguments)
    assert told(event)["arguments"] == arguments


def test_an_error_is_a_sentence_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_TURN_CREDENTIAL", "very-s3cret-value")
    event = events.AgentErrorEvent("llm", RuntimeError("refused: very-s3cret-value"))
    assert told(event)["error"].startswith("RuntimeError: refused: ")
    assert "s3cret" not in json.dumps(told(event))


def test_what_is_long_is_cut_what_is_too_long_is_not_sent() -> None:
    assert len(told(events.AgentTurnEndedEvent("x" * 100_000, interrupted=False))["text"]) == MAX_TEXT_CHARACTERS
    assert of_custom({"many": ["x" * 1000] * 40}) is None
    assert len(of_custom({"many": ["x" * 1000] * 30}) or "") < MAX_MESSAGE_BYTES


def test_custom_data_of_any_kind_is_plain() -> None:
    nested: dict[str, Any] = {}
    nested["self"] = nested
    message = json.loads(of_custom({"a": 1, "b": {2: object}, "loop": nested}) or "")
    assert message["type"] == "custom"
    assert message["custom"]["a"] == 1
    assert set(message["custom"]["b"]) == {"2"}


@pytest.mark.parametrize("message", ['{"type": "bye"}', '{"type":"bye","why":"tired"}'])
def test_a_goodbye_is_understood(message: str) -> None:
    assert is_goodbye(message)


@pytest.mark.parametrize("message", ["bye", "{}", "[]", '"bye"', b'{"type": "bye"}', "[" * 4000, '{"type": "hello"}'])
def test_anything_else_is_none(message: object) -> None:
    assert not is_goodbye(message)
