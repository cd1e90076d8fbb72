"""What looks like a secret in the environment is taken out of texts; a switch that only sounds like one is not."""

from __future__ import annotations

from greenroom_core.redaction import redacted


def test_the_values_of_keys_and_tokens_are_taken_out() -> None:
    environment = {"API_KEY": "abcd1234", "SPEECH_TOKEN": "abcd", "PIN_TOKEN": "12", "HOME": "/home/me"}
    assert redacted("abcd1234 abcd 12 /home/me", environment) == "[redacted] [redacted] 12 /home/me"


def test_a_switch_named_after_tokens_is_no_secret() -> None:
    assert redacted("it is false", {"TOKENIZERS_PARALLELISM": "false"}) == "it is false"
