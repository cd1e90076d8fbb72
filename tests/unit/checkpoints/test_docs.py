"""What docs/recovery.md shows of checkpoints runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.virtual_time import run_virtual
from tests.fakes.voice_stage import Stage

from greenroom.agent import events
from greenroom.agent.interfaces import TextDelta
from greenroom.checkpoints import CheckpointStore
from greenroom.checkpoints.form import decoded
from greenroom.recipe import Recipe

DOCS = (Path(__file__).parents[3] / "docs" / "recovery.md").read_text().partition("## Checkpoints\n")[2]
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


def shown(number: int) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "shown"}
    exec(compile(BLOCKS[number], "docs/recovery.md", "exec"), names)
    return names


@pytest.fixture
def example() -> dict[str, Any]:
    return shown(0)


def test_its_second_agent_goes_on_where_the_first_was(example: dict[str, Any]) -> None:
    def call(checkpoint: Any, answer: str) -> tuple[Stage, Any]:
        stage = Stage(answers=[[TextDelta(answer)]])
        kept: list[str] = []
        recipe = Recipe(example["create_agent"], example["join_call"])

        async def scene() -> None:
            async def hang_up_when_answered(event: events.AgentTurnEndedEvent) -> None:
                if event.text == answer:
                    stage.edge.connection.hang_up()  # type: ignore[union-attr]
                else:
                    await stage.agent.simple_response("Who am I?")

            stage.agent.on_checkpoint(kept.append)
            stage.agent.subscribe(hang_up_when_answered)
            await recipe.join(stage.agent, "default", "c", recipe.arguments({}, checkpoint).join)

        run_virtual(scene())
        return stage, decoded(kept[-1])

    first, kept = call(None, "Ann.")
    one = [("assistant", "Hello!"), ("user", "Who am I?"), ("assistant", "Ann.")]
    assert first.history() == one
    second, _ = call(kept, "Still Ann.")
    assert second.history()[:4] == [*one, ("assistant", "I am back. Please go on.")]


def test_its_launcher_has_the_store(example: dict[str, Any]) -> None:
    assert isinstance(example["launcher"].checkpoints.store, CheckpointStore)


def test_its_own_store_is_whole() -> None:
    assert isinstance(shown(1)["TableCheckpoints"](), CheckpointStore)
