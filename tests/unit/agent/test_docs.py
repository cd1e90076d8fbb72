"""What docs/agent.md shows runs, and what its tables list is there."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.virtual_time import run_virtual
from tests.fakes.voice_stage import Stage

from greenroom.agent import Agent, Conversation, events
from greenroom.agent.interfaces import TextDelta

DOCS = (Path(__file__).parents[3] / "docs" / "agent.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


def rows(title: str) -> list[str]:
    section = re.split(r"^##+ ", DOCS.partition(f"## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the example, in a folder with what it reads and writes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assistant.md").write_text("Be brief.")
    (tmp_path / "histories").mkdir()
    names: dict[str, Any] = {}
    [example] = blocks("python")
    exec(compile(example, "docs/agent.md", "exec"), names)
    return names


async def test_its_agent_can_be_built(shown: dict[str, Any]) -> None:
    agent = await shown["create_agent"]()
    assert agent.instructions == "Be brief."
    assert [tool.name for tool in agent.llm.toolbox.tools] == ["get_weather"]
    await agent.close()


def test_its_second_call_knows_the_first(shown: dict[str, Any]) -> None:
    def call() -> Stage:
        stage = Stage(answers=[[TextDelta("Good.")]])

        async def scene() -> None:
            async def hang_up_when_answered(event: events.AgentTurnEndedEvent) -> None:
                if event.text == "Good.":
                    stage.edge.connection.hang_up()  # type: ignore[union-attr]
                else:
                    await stage.agent.simple_response("How are you?")

            stage.agent.subscribe(hang_up_when_answered)
            await shown["join_call"](stage.agent, "default", "c")

        run_virtual(scene())
        return stage

    one = [("assistant", "Hello!"), ("user", "How are you?"), ("assistant", "Good.")]
    assert call().history() == one
    assert call().history() == [*one, *one]


def test_its_history_is_one() -> None:
    [history] = map(json.loads, blocks("json"))
    conversation = Conversation()
    conversation.restore(history)
    assert conversation.export() == history


def test_its_tables_are_complete() -> None:
    taken = inspect.signature(Agent).parameters.values()
    ours = [argument.name for argument in taken if argument.kind is not argument.VAR_KEYWORD]
    assert [row.split("`")[1] for row in rows("Constructor")] == ours
    methods = {name for name, value in vars(Agent).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert {re.split(r"[`(]", row)[1] for row in rows("Methods")} == methods
    declared = [one for one in vars(events).values() if inspect.isclass(one) and issubclass(one, events.Event)]
    told = {tuple(re.findall(r"`([^`]+)`", row)) for row in rows("Events")}
    assert told == {
        (one.__name__, one.type, *(field.name for field in dataclasses.fields(one)))
        for one in declared
        if one is not events.Event
    }
