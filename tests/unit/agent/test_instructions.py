"""What an agent is told to be: a text, a file, a text that names files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.virtual_time import VirtualClock

from greenroom.agent import Agent, User
from greenroom.agent.instructions import read_instructions


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def agent(instructions: str | Path) -> Agent:
    clock = VirtualClock()
    return Agent(
        edge=scripted.Edge(clock),
        llm=scripted.Llm(clock, []),
        agent_user=User(id="agent"),
        tts=scripted.Tts(clock),
        instructions=instructions,
    )


def test_a_file_is_read_for_each_agent(folder: Path) -> None:
    file = folder / "assistant.txt"
    file.write_text("Be brief, see @nothing.md", encoding="utf-8")
    first = agent(file)
    file.write_text("Sei höflich.", encoding="utf-8")
    assert [first.instructions, agent(Path("assistant.txt")).instructions] == [
        "Be brief, see @nothing.md",
        "Sei höflich.",
    ]


@pytest.mark.parametrize("text", ["", "Be brief.", "Write to a@b.md or @somebody, not .@x.md nor @y.mdx.", "style.md"])
def test_a_text_is_taken_as_it_is(text: str) -> None:
    assert agent(text).instructions == text


def test_files_that_a_text_names_follow_it(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "style.md").write_text("Be brief.")
    (folder / "deep" / "facts.md").write_text("The shop opens at nine.")
    assert agent("Follow @style.md. Know @deep/facts.md, and @style.md!").instructions == (
        "Follow @style.md. Know @deep/facts.md, and @style.md!\n\n"
        "# style.md\n\nBe brief.\n\n"
        "# deep/facts.md\n\nThe shop opens at nine."
    )


@pytest.mark.parametrize("name", ["../secret.md", "/etc/secret.md", ".hidden.md", "link.md"])
def test_a_text_names_no_files_elsewhere(folder: Path, name: str) -> None:
    (folder / "link.md").symlink_to(folder.parent / "secret.md")
    with pytest.raises(ValueError, match=f"instructions: @{name} is not a file below {folder}"):
        read_instructions(f"Follow @{name}")


def test_a_file_that_cannot_be_read_is_one_sentence(folder: Path) -> None:
    (folder / "latin.md").write_bytes(b"h\xf6flich")
    for given, path, reason in [
        (Path("absent.txt"), "absent.txt", "No such file or directory"),
        ("Follow @absent.md", "absent.md", "No such file or directory"),
        (folder, "", "Is a directory"),
        ("Follow @latin.md", "latin.md", "not UTF-8"),
    ]:
        with pytest.raises(ValueError) as error:
            agent(given)
        assert str(error.value) == f"instructions: {folder / path} cannot be read: {reason}"
