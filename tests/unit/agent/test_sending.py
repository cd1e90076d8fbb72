"""Custom events, and the agent's figures among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent import Agent, User
from greenroom.agent.broadcasting import MAX_EVENT_BYTES
from greenroom.agent.events import ConnectionLostEvent, ConnectionRestoredEvent, Event
from greenroom.agent.interfaces import TextDelta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom.agent.calls import Call, CallSink


@dataclass
class Line(scripted.Connection):
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def send_custom_event(self, data: Mapping[str, Any]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.events.append((self.clock.boot(), dict(data)))


@dataclass
class Edge(scripted.Edge):
    line: Line | None = None

    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> Line:
        self.line = Line(self.clock, sink, session_id, self.somebody_there)
        return self.line


class Stage:
    def __init__(self, edge: scripted.Edge | None = None, **arguments: Any) -> None:
        self.clock = VirtualClock()
        self.edge = edge or Edge(self.clock)
        self.agent = Agent(
            edge=self.edge,
            llm=scripted.Llm(self.clock, [[TextDelta("Hello.")]]),
            tts=scripted.Tts(self.clock),
            agent_user=User(id="agent"),
            clock=self.clock,
            **arguments,
        )

    @property
    def line(self) -> Line:
        assert isinstance(self.edge, Edge)
        assert self.edge.line is not None
        return self.edge.line

    def sent(self) -> list[dict[str, Any]]:
        return [data for _, data in self.line.events]


class TestEvents:
    def test_what_is_sent_reaches_the_call(self) -> None:
        async def scene() -> None:
            stage = Stage()
            async with stage.agent.join(await stage.agent.create_call("default", "c")):
                await stage.agent.send_custom_event({"type": "status", "progress": [0.5, None], "words": "schön"})
            assert stage.sent() == [{"type": "status", "progress": [0.5, None], "words": "schön"}]

        run_virtual(scene())

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ([1, 2], "is a dict, not list"),
            ({"when": object()}, "holds JSON's types alone"),
            ({"text": "x" * MAX_EVENT_BYTES}, f"of {MAX_EVENT_BYTES + 11} bytes, and at most {MAX_EVENT_BYTES}"),
            ({"text": "ü" * (MAX_EVENT_BYTES // 2)}, "bytes, and at most"),
        ],
    )
    def test_what_cannot_be_sent_is_refused_before_it_goes_anywhere(self, data: Any, message: str) -> None:
        async def scene() -> None:
            stage = Stage()
            async with stage.agent.join(await stage.agent.create_call("default", "c")):
                with pytest.raises(ValueError, match=message):
                    await stage.agent.send_custom_event(data)
            assert stage.sent() == []

        run_virtual(scene())

    def test_as_much_as_fits_is_sent(self) -> None:
        async def scene() -> None:
            stage = Stage()
            async with stage.agent.join(await stage.agent.create_call("default", "c")):
                await stage.agent.send_custom_event({"text": "x" * (MAX_EVENT_BYTES - 11)})
            assert len(stage.sent()) == 1

        run_virtual(scene())

    def test_not_before_the_call_and_not_after_it(self) -> None:
        async def scene() -> None:
            stage = Stage()
            with pytest.raises(RuntimeError, match=r"only within `async with agent\.join"):
                await stage.agent.send_custom_event({})
            async with stage.agent.join(await stage.agent.create_call("default", "c")):
                pass
            with pytest.raises(RuntimeError, match="was closed"):
                await stage.agent.send_custom_event({})

        run_virtual(scene())

    def test_an_edge_that_has_no_way_says_so(self) -> None:
        async def scene() -> None:
            stage = Stage(scripted.Edge(VirtualClock()))
            async with stage.agent.join(await stage.agent.create_call("default", "c")):
                with pytest.raises(NotImplementedError, match="Connection has no way to send custom events"):
                    await stage.agent.send_custom_event({})

        run_virtual(scene())


class TestFigures:
    def test_all_of_them_or_some(self) -> None:
        async def scene() -> None:
            stage = Stage()
            async with stage.agent.join(await stage.agent.create_call("default", "c")):
                await stage.agent.simple_response("Hello")
                await stage.agent.send_metrics_event()
                await stage.agent.send_metrics_event("figures", ["tts_characters__total"])
                with pytest.raises(ValueError, match="Unknown field: nothing"):
                    await stage.agent.send_metrics_event(fields=["nothing"])
            every, some = stage.sent()
            assert every == {"type": "agent_metrics", "metrics": stage.agent.metrics.to_dict()}
            assert len(every["metrics"]) == 25
            assert some == {"type": "figures", "metrics": {"tts_characters__total": 6}}

        run_virtual(scene())

    def test_now_and_then_while_the_call_lasts(self, caplog: pytest.LogCaptureFixture) -> None:
        async def scene() -> None:
            stage = Stage(broadcast_metrics=True, broadcast_metrics_interval=2.0)
            async with stage.agent.join(await stage.agent.create_call("default", "c")):
                began = stage.clock.boot()
                await stage.clock.sleep(3)
                stage.line.failures.append(RuntimeError("not now"))
                await stage.clock.sleep(4)
            await stage.clock.sleep(10)
            assert [at - began for at, _ in stage.line.events] == [2.0, 6.0], "one failed"
            assert "the agent's figures were not sent: RuntimeError: not now" in caplog.text

        run_virtual(scene())

    def test_not_unless_it_was_asked_for(self) -> None:
        async def scene() -> None:
            stage = Stage(broadcast_metrics_interval=0)
            async with stage.agent.join(await stage.agent.create_call("default", "c")):
                await stage.clock.sleep(60)
            assert stage.sent() == []

        run_virtual(scene())

    def test_an_edge_that_has_no_way_is_asked_once(self, caplog: pytest.LogCaptureFixture) -> None:
        async def scene() -> None:
            stage = Stage(scripted.Edge(VirtualClock()), broadcast_metrics=True)
            async with stage.agent.join(await stage.agent.create_call("default", "c")):
                await stage.clock.sleep(60)

        run_virtual(scene())
        assert caplog.text.count("broadcast_metrics is of no use here: Connection has no way") == 1

    @pytest.mark.parametrize("seconds", [0, -1.0])
    def test_an_interval_is_above_0(self, seconds: float) -> None:
        with pytest.raises(ValueError, match=f"broadcast_metrics_interval is {seconds:g} and must be above 0"):
            Stage(broadcast_metrics=True, broadcast_metrics_interval=seconds)


class TestForeignArguments:
    @pytest.mark.parametrize("name", ["options", "tracer", "profiler", "multi_speaker_filter"])
    def test_what_changes_nothing_is_taken(self, name: str) -> None:
        assert Stage(**{name: object()}).agent.llm is not None

    def test_what_would_be_missed_is_refused_with_the_way_out(self) -> None:
        with pytest.raises(ValueError, match=r"Agent\(avatar=…\): there are none here: leave it out"):
            Stage(avatar=object())
        assert Stage(avatar=None).agent.llm is not None

    def test_a_server_of_theirs_is_none_of_ours(self) -> None:
        with pytest.raises(ValueError, match=r"mcp_servers: a dict is none; greenroom\.plugins\.mcp has"):
            Stage(mcp_servers=[{}])
        assert Stage(mcp_servers=None).agent.mcp_servers == ()

    def test_what_nobody_knows_is_an_error_as_ever(self) -> None:
        with pytest.raises(TypeError, match="unexpected keyword argument 'temperature'"):
            Stage(temperature=0.3)

    def test_no_processors_are_none(self) -> None:
        assert Stage(processors=None).agent.processors == ()


def test_a_network_that_goes_and_comes_back_is_told() -> None:
    async def scene() -> list[Event]:
        stage = Stage()
        events: list[Event] = []

        @stage.agent.subscribe
        def keep(event: ConnectionLostEvent | ConnectionRestoredEvent) -> None:
            events.append(event)

        async with stage.agent.join(await stage.agent.create_call("default", "c")):
            stage.line.sink.connection_lost()
            stage.line.sink.connection_restored()
        return events

    assert run_virtual(scene()) == [ConnectionLostEvent(), ConnectionRestoredEvent()]
