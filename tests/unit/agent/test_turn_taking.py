"""Ears that find the turns themselves: what they report becomes turns, and an eager end an answer that waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent import Agent, User
from greenroom.agent.audio import FRAME_BYTES, peak
from greenroom.agent.conversation import Conversation, Message, Role, ToolCall
from greenroom.agent.events import (
    AgentErrorEvent,
    AgentTranscriptEvent,
    AgentTurnEndedEvent,
    AgentTurnPausedEvent,
    AgentTurnStartedEvent,
    Event,
    ToolCalledEvent,
    UserTranscriptEvent,
    UserTurnEndedEvent,
    UserTurnStartedEvent,
)
from greenroom.agent.interfaces import TextDelta
from greenroom.agent.turn_taking import (
    Heard,
    HearingTrouble,
    Sound,
    SpeechBegan,
    SpeechOver,
    SpeechProbablyOver,
    SpeechSoFar,
    SpeechWentOn,
    TurnTakingSTT,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greenroom.agent.interfaces import Usage


@dataclass
class Ears(TurnTakingSTT):
    """Reports what it is told to, numbers being pauses; afterwards takes sound as it comes."""

    clock: VirtualClock
    script: list[Heard | float | Exception]
    sound: list[bytes | None] = field(default_factory=list)

    async def hear(self, sound: Sound, heard: Callable[[Heard], None]) -> None:
        for step in self.script:
            if isinstance(step, float):
                await self.clock.sleep(step)
            elif isinstance(step, Exception):
                raise step
            else:
                heard(step)
        while True:
            self.sound.append(await sound.chunk(5.0))


class Stage:
    def __init__(
        self,
        script: list[Heard | float | Exception],
        answers: Sequence[Sequence[TextDelta | ToolCall | Usage | float | Exception]] = (),
    ) -> None:
        self.clock = VirtualClock()
        self.edge = scripted.Edge(self.clock)
        self.ears = Ears(self.clock, script)
        self.llm = scripted.Llm(self.clock, list(answers))
        self.tts = scripted.Tts(self.clock, delay_seconds=0.05)
        self.agent = Agent(
            edge=self.edge,
            llm=self.llm,
            agent_user=User(id="agent"),
            stt=self.ears,
            tts=self.tts,
            clock=self.clock,
        )
        self.events: list[tuple[float, Event]] = []

        @self.agent.subscribe
        def keep(event: Event) -> None:
            self.events.append((self.clock.boot(), event))

    def run(self, seconds: float = 5.0) -> None:
        async def scene() -> None:
            self.began = self.clock.boot()
            async with self.agent.join(await self.agent.create_call("default", "c")):
                await self.clock.sleep(seconds)

        run_virtual(scene())

    def seen(self, *kinds: type[Event]) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kinds)]

    def history(self) -> list[tuple[str, str]]:
        return [(message.role.value, message.text) for message in self.agent.conversation.messages]

    def first_sound_seconds(self) -> float:
        assert self.edge.connection is not None
        return next(at for at, frame in self.edge.connection.sent if peak(frame)) - self.began


def test_what_is_heard_becomes_a_turn_with_its_figures() -> None:
    stage = Stage(
        [
            SpeechBegan(),
            0.5,
            SpeechSoFar("what is"),
            0.5,
            SpeechOver("what is the time", speech_seconds=1.0, silence_seconds=0.3, latency_seconds=0.1),
        ],
        [[TextDelta("Noon.")]],
    )
    stage.run()
    assert stage.history() == [("user", "what is the time"), ("assistant", "Noon.")]
    (ended,) = stage.seen(UserTurnEndedEvent)
    assert (ended.duration_seconds, ended.trailing_silence_seconds) == (1.0, 0.3)
    assert stage.seen(UserTranscriptEvent) == [
        UserTranscriptEvent("what is", final=False),
        UserTranscriptEvent("what is the time", final=True),
    ]
    (started,) = stage.seen(AgentTurnStartedEvent)
    assert started.response_seconds == pytest.approx(0.1 + 0.3 + 0.05, abs=0.021)
    figures = stage.agent.metrics.to_dict()
    assert figures["stt_latency_ms__avg"] == pytest.approx(100)
    assert figures["stt_audio_duration_ms__total"] == 1300
    assert figures["turn_duration_ms__avg"] == pytest.approx(1000)


def test_a_turn_that_was_never_begun_is_begun_by_its_end() -> None:
    stage = Stage([SpeechOver("hello")], [[TextDelta("Hi.")]])
    stage.run()
    assert len(stage.seen(UserTurnStartedEvent, UserTurnEndedEvent)) == 2
    assert stage.history()[-1] == ("assistant", "Hi.")


def test_the_beginning_of_a_turn_silences_the_agent() -> None:
    long = [TextDelta("One two three four five six seven eight nine ten eleven twelve.")]
    script = [SpeechOver("tell me"), 0.5, SpeechBegan(), 1.0, SpeechOver("wait")]
    stage = Stage(script, [long, [TextDelta("Yes?")]])
    stage.run()
    ended, last = stage.seen(AgentTurnEndedEvent)
    assert ended.interrupted
    assert 2 <= len(ended.text.split()) <= 6
    assert last == AgentTurnEndedEvent("Yes?", interrupted=False)


def test_the_first_words_of_a_turn_end_the_answer() -> None:
    long = [TextDelta("One two three four five six seven eight nine ten eleven twelve.")]
    stage = Stage([SpeechOver("tell me"), 0.5, SpeechBegan(), 0.3, SpeechSoFar("wait"), 5.0], [long])
    stage.run()
    kinds = [type(event) for _, event in stage.events]
    began = kinds.index(AgentTurnPausedEvent)
    assert kinds[began : began + 3] == [AgentTurnPausedEvent, AgentTurnEndedEvent, UserTranscriptEvent]


def test_an_answer_prepared_at_an_eager_end_is_spoken_at_the_real_one() -> None:
    stage = Stage(
        [SpeechBegan(), SpeechProbablyOver("hello"), 1.0, SpeechOver("hello", 1.0, 0.5)],
        [[0.4, TextDelta("Hi there.")]],
    )
    stage.run()
    assert len(stage.llm.requests) == 1
    assert stage.first_sound_seconds() == pytest.approx(1.0, abs=0.021), "at once, neither before nor after"
    assert stage.history() == [("user", "hello"), ("assistant", "Hi there.")]
    told = [(at - stage.began, event) for at, event in stage.events if isinstance(event, AgentTranscriptEvent)]
    assert [at for at, _ in told] == [pytest.approx(1.0, abs=0.01)]
    assert stage.agent._attendance._voice is not None
    assert stage.agent._attendance._voice.withdrawn_answers == 0


def test_an_answer_that_is_not_ready_at_the_end_goes_on_being_made() -> None:
    stage = Stage(
        [SpeechBegan(), SpeechProbablyOver("hello"), 0.2, SpeechOver("hello", 1.0, 0.5)],
        [[0.4, TextDelta("Hi there.")]],
    )
    stage.run()
    assert len(stage.llm.requests) == 1
    assert stage.first_sound_seconds() == pytest.approx(0.45, abs=0.021)


@pytest.mark.parametrize("pause", [0.0, 0.2, 0.8])
def test_an_answer_is_withdrawn_without_a_trace_when_the_user_goes_on(pause: float) -> None:
    stage = Stage(
        [
            SpeechBegan(),
            SpeechProbablyOver("what is"),
            *([pause] if pause else []),
            SpeechWentOn(),
            0.5,
            SpeechOver("what is the time"),
        ],
        [[0.4, TextDelta("What is what?")], [TextDelta("Noon.")]] if pause else [[TextDelta("Noon.")]],
    )
    stage.run()
    assert stage.history() == [("user", "what is the time"), ("assistant", "Noon.")]
    assert [event.text for event in stage.seen(AgentTurnEndedEvent, AgentTranscriptEvent)] == ["Noon.", "Noon."]
    assert stage.first_sound_seconds() > pause + 0.5
    assert stage.agent._attendance._voice is not None
    assert stage.agent._attendance._voice.withdrawn_answers == 1


def test_an_end_that_differs_from_the_eager_one_is_answered_anew() -> None:
    stage = Stage(
        [SpeechBegan(), SpeechProbablyOver("what is"), 0.3, SpeechOver("what is it")],
        [[TextDelta("What?")], [TextDelta("This.")]],
    )
    stage.run()
    assert stage.history() == [("user", "what is it"), ("assistant", "This.")]


def test_no_function_is_called_for_an_answer_that_may_not_be_wanted() -> None:
    called: list[float] = []
    answers = [[ToolCall("1", "ring", {})], [TextDelta("Done.")]]
    stage = Stage([SpeechBegan(), SpeechProbablyOver("ring"), 1.0, SpeechOver("ring")], answers)

    @stage.agent.llm.register_function()
    async def ring() -> str:
        called.append(stage.clock.boot() - stage.began)
        return "rung"

    stage.run()
    assert called == [pytest.approx(1.0, abs=0.01)]
    assert [event.name for event in stage.seen(ToolCalledEvent)] == ["ring"]
    assert stage.history()[-1] == ("assistant", "Done.")


def test_an_answer_that_fails_ahead_of_time_is_tried_again_at_the_end() -> None:
    stage = Stage(
        [SpeechBegan(), SpeechProbablyOver("hello"), 0.5, SpeechOver("hello")],
        [[RuntimeError("busy")], [TextDelta("Hi.")]],
    )
    stage.run()
    assert stage.history() == [("user", "hello"), ("assistant", "Hi.")]
    assert stage.seen(AgentErrorEvent) == [], "nobody has missed anything"
    assert stage.llm.metrics.errors["llm"] == 1


def test_trouble_is_reported_and_hearing_goes_on() -> None:
    stage = Stage([HearingTrouble(OSError("line")), SpeechOver("hello")], [[TextDelta("Hi.")]])
    stage.run()
    (error,) = stage.seen(AgentErrorEvent)
    assert (error.part, str(error.error)) == ("stt", "line")
    assert stage.ears.metrics.errors["stt"] == 1
    assert stage.history()[-1] == ("assistant", "Hi.")


def test_ears_that_give_up_end_the_call() -> None:
    stage = Stage([0.5, OSError("no key")])
    with pytest.raises(OSError, match="no key"):
        stage.run()
    assert stage.ears.metrics.errors["stt"] == 1
    assert stage.edge.closed == 1


def test_a_caller_who_stops_sending_is_heard_as_silence_for_a_while_and_then_as_nothing() -> None:
    stage = Stage([])

    async def scene() -> None:
        async with stage.agent.join(await stage.agent.create_call("default", "c")):
            assert stage.edge.connection is not None
            await stage.edge.connection.speak(scripted.tone(0.4))
            await stage.clock.sleep(20)

    run_virtual(scene())
    pieces = stage.ears.sound
    loud = [piece for piece in pieces if piece and peak(piece)]
    silent = [piece for piece in pieces if piece and not peak(piece)]
    assert len(b"".join(loud)) == 20 * FRAME_BYTES
    assert len(b"".join(silent)) == int(2.0 * 32_000)
    assert pieces[-1] is None
    assert pieces.count(None) == pytest.approx(18 / 5, abs=1)


def test_a_question_that_is_only_supposed_is_asked_but_not_exported() -> None:
    talk = Conversation()
    first, second = Message(Role.USER, "yes"), Message(Role.USER, "yes")
    talk.add(first)
    talk.suppose(second)
    assert talk.messages == (first, second)
    assert len(talk.export()["messages"]) == 1
    talk.retract()
    assert [message is first for message in talk.messages] == [True]
    talk.suppose(second)
    talk.confirm()
    assert len(talk.export()["messages"]) == 2
