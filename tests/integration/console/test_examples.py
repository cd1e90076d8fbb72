"""The examples as they stand, asked by a line of text, with the real engines."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.console.terminal import piped

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("example", ["console_agent.py", "voice_agent.py"])
def test_an_example_with_any_edge_answers_a_piped_question(example: str) -> None:
    done = piped([str(EXAMPLES / example), "run"], "What is the weather in Rome?\n")
    assert done.returncode == 0, done.stderr
    assert "you: What is the weather in Rome?\n" in done.stdout
    assert "-> get_weather(location='Rome') The weather in Rome is sunny and 72°F." in done.stdout
    assert "agent: The weather in Rome is sunny and 72°F.\n" in done.stdout
    assert "first sound after" in done.stdout
    assert done.stdout.endswith("the call is over\n")
