"""The launcher's life: warm-up, sessions side by side, ends that leave nothing behind."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.virtual_time import VirtualClock
from tests.unit.launcher.test_limits import launcher_of
from tests.unit.runtime.agents import AgentFile, ForeignAgent, OwnAgent
from tests.unit.runtime.stories import story

from greenroom.errors import AgentExit, InvalidParameters, StartAbandoned, StartTimedOut
from greenroom.launcher import AgentLauncher
from greenroom.recipe import Recipe
from greenroom.registry import InMemorySessionKVStore, SessionRegistry
from greenroom.warmup import Warmable


class Model(Warmable[str]):
    loads = 0

    def __init__(self) -> None:
        self.resource = ""

    async def on_warmup(self) -> str:
        type(self).loads += 1
        await asyncio.sleep(1)
        return "weights"

    def on_warmed_up(self, resource: str) -> None:
        self.resource = resource


# --- start, warm-up, stop ---


@story
async def test_start_warms_up_with_an_agent_that_is_thrown_away():
    file = AgentFile(VirtualClock())
    launcher = launcher_of(file)
    async with launcher:
        assert launcher.ready
        assert [agent.closes for agent in file.agents] == [1]
        with pytest.raises(RuntimeError, match="AgentLauncher is already running"):
            await launcher.start()
    assert not launcher.running


@story
async def test_where_an_agent_takes_a_sessions_parameters_the_first_session_loads():
    Model.loads = 0
    clock = VirtualClock()

    async def create_agent(offer: str) -> OwnAgent:
        assert offer == "v=0"
        agent = OwnAgent(clock)
        agent.llm = Model()  # type: ignore[attr-defined]
        return agent

    async with AgentLauncher(create_agent, AgentFile(clock).join_call, clock=clock) as launcher:
        assert (launcher.ready, Model.loads) == (True, 0)
        for call in ("one", "two"):
            session = await launcher.start_session(call, parameters={"offer": "v=0"})
            assert session.agent.llm.resource == "weights"
        assert Model.loads == 1
        with pytest.raises(InvalidParameters, match="create_agent needs the parameter offer"):
            await launcher.start_session("three")


@story
async def test_a_start_whose_warm_up_fails_may_be_repeated():
    file = AgentFile(VirtualClock())

    async def explode() -> None:
        raise ValueError("no model")

    file.build = explode
    launcher = launcher_of(file)
    with pytest.raises(ValueError, match="no model"):
        await launcher.start()
    assert not launcher.running
    file.build = None
    await launcher.start()
    assert launcher.ready
    await launcher.stop()


@story
async def test_what_agents_share_is_loaded_once_and_a_second_warm_up_waits_for_the_first():
    Model.loads = 0
    file = AgentFile(VirtualClock())

    def make(clock: VirtualClock) -> OwnAgent:
        agent = OwnAgent(clock)
        agent.llm = Model()  # type: ignore[attr-defined]
        agent.processors = [Model()]  # type: ignore[attr-defined]
        return agent

    file.make = make
    launcher = launcher_of(file)

    async def second() -> bool:
        await asyncio.sleep(0.5)
        await launcher.warmup()
        return launcher.warmed_up

    async with asyncio.TaskGroup() as both:
        both.create_task(launcher.warmup())
        warm = both.create_task(second())
    assert warm.result()
    session = await launcher.start_session("one")
    assert Model.loads == 1
    assert session.agent.llm.resource == session.agent.processors[0].resource == "weights"
    assert len(file.agents) == 2
    await launcher.stop()


@story
async def test_stop_waits_for_all_agents_those_that_are_leaving_too():
    file = AgentFile(VirtualClock())
    async with launcher_of(file) as launcher:
        sessions = [await launcher.start_session(f"call-{number}") for number in range(4)]
        for session in sessions:
            session.agent.close_seconds = 5.0
        await launcher.close_session(sessions[0].id)
    assert all(session.finished for session in sessions)
    assert [session.agent.closes for session in sessions] == [1, 1, 1, 1]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@story
async def test_stop_ends_a_start_under_way():
    file = AgentFile(VirtualClock())
    launcher = launcher_of(file)
    file.build = lambda: asyncio.sleep(1_000)
    start = asyncio.create_task(launcher.start_session("one"))
    await asyncio.sleep(1)
    await launcher.stop()
    with pytest.raises(StartAbandoned):
        await start
    assert asyncio.all_tasks() == {asyncio.current_task()}


@story
async def test_parts_of_another_framework_are_warmed_up_too():
    class ForeignModel:
        loads = 0
        resource = ""

        async def on_warmup(self) -> str:
            ForeignModel.loads += 1
            return "weights"

        async def on_warmed_up(self, resource: str) -> None:
            self.resource = resource

    def make(clock: VirtualClock) -> ForeignAgent:
        agent = ForeignAgent(clock)
        agent.stt = ForeignModel()  # type: ignore[attr-defined]
        return agent

    file = AgentFile(VirtualClock(), make=make)
    async with launcher_of(file) as launcher:
        session = await launcher.start_session("one")
        assert session.agent.stt.resource == "weights"
        assert ForeignModel.loads == 1


# --- sessions ---


@pytest.mark.parametrize("make", [OwnAgent, ForeignAgent])
@story
async def test_a_session_is_what_the_documentation_says(make):
    file = AgentFile(VirtualClock(), make=make)
    async with launcher_of(file) as launcher:
        session = await launcher.start_session(call_id="my-call", call_type="audio")
        assert session.id == session.agent.id
        assert (session.call_id, session.finished) == ("my-call", False)
        assert session.started_at == file.clock.wall()
        assert session.task.get_name().startswith("agent-")
        await asyncio.sleep(3)
        assert session.on_call_for() == pytest.approx(3, abs=0.1)
        assert session.idle_for() == 0.0
        assert file.joined == [("audio", "my-call", {})]
        assert launcher.get_session(session.id) is session
        assert launcher.get_session("another") is None


@story
async def test_create_agent_may_be_a_plain_function():
    file = AgentFile(VirtualClock())
    launcher = launcher_of(file)
    launcher.recipe._create_agent = lambda: OwnAgent(file.clock)
    session = await launcher.start_session("one")
    assert isinstance(session.agent, OwnAgent)
    await launcher.stop()


@story
async def test_a_slow_create_agent_holds_up_nobody():
    file = AgentFile(VirtualClock())
    async with launcher_of(file) as launcher:
        file.build = lambda: asyncio.sleep(59)
        slow = asyncio.create_task(launcher.start_session("slow"))
        await asyncio.sleep(0.01)
        file.build = None
        before = file.clock.boot()
        await launcher.start_session("quick")
        assert file.clock.boot() == before
        await slow
        assert file.clock.boot() == pytest.approx(before + 59, abs=0.1)


@story
async def test_a_start_that_takes_too_long_is_ended():
    file = AgentFile(VirtualClock())
    async with launcher_of(file, start_timeout_seconds=60) as launcher:
        file.build = lambda: asyncio.sleep(61)
        with pytest.raises(StartTimedOut, match="took over 60 s"):
            await launcher.start_session("one")
        assert len(file.agents) == 1  # warm-up's


@story
async def test_a_caller_who_goes_away_takes_the_start_along():
    file = AgentFile(VirtualClock())
    async with launcher_of(file, max_concurrent_sessions=1) as launcher:
        file.build = lambda: asyncio.sleep(10)
        start = asyncio.create_task(launcher.start_session("one"))
        await asyncio.sleep(1)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        await asyncio.sleep(0.1)
        file.build = None
        await launcher.start_session("one")


@story
async def test_waiting_tells_how_it_ended_and_ends_nothing():
    file = AgentFile(VirtualClock())
    async with launcher_of(file) as launcher:
        session = await launcher.start_session("one")
        waiting = asyncio.create_task(session.wait())
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.sleep(1)
        assert not session.finished
        assert await launcher.close_session(session.id, wait=True)
        assert session.finished
        assert session.agent.closes == 1
        with pytest.raises(asyncio.CancelledError):
            await session.wait()
        assert not await launcher.close_session(session.id)


async def raises(agent: OwnAgent) -> None:
    agent.join()
    raise RuntimeError("lost the line")


async def exits(agent: OwnAgent) -> None:
    raise SystemExit(3)


async def returns(agent: OwnAgent) -> None:
    agent.join()


@pytest.mark.parametrize(("call", "error"), [(raises, RuntimeError), (exits, AgentExit), (returns, None)])
@story
async def test_the_agent_is_closed_however_its_call_ends(call, error):
    file = AgentFile(VirtualClock(), call=call)
    async with launcher_of(file) as launcher:
        session = await launcher.start_session("one")
        await asyncio.sleep(1)
        assert (session.finished, session.agent.closes) == (True, 1)
        assert launcher.get_session(session.id) is None
        if error is not None:
            with pytest.raises(error):
                await session.wait()


@story
async def test_cancelling_the_task_closes_the_session():
    file = AgentFile(VirtualClock())
    async with launcher_of(file) as launcher:
        session = await launcher.start_session("one")
        session.task.cancel()
        await asyncio.sleep(1)
        assert session.agent.closes == 1


@story
async def test_an_agent_that_cannot_be_warmed_up_is_closed():
    class Broken(Model):
        async def on_warmup(self) -> str:
            raise OSError("no such file")

    file = AgentFile(VirtualClock())
    launcher = launcher_of(file)

    def make(clock: VirtualClock) -> OwnAgent:
        agent = OwnAgent(clock)
        agent.tts = Broken()  # type: ignore[attr-defined]
        return agent

    file.make = make
    with pytest.raises(OSError, match="no such file"):
        await launcher.start_session("one")
    assert [agent.closes for agent in file.agents] == [1]
    await launcher.stop()


# --- parameters ---


def greedy_create(**kwargs):
    return None


def create(voice="a", *, prompt=None):
    return None


def create_needs(prompt):
    return None


async def join_plain(agent, call_type, call_id):
    return None


async def join_greedy(agent, call_type, call_id, **kwargs):
    return None


async def join_more(agent, call_type, call_id, greeting="hello"):
    return None


@pytest.mark.parametrize(
    ("create_agent", "join_call", "parameters", "expected"),
    [
        (create, join_plain, {}, ({}, {})),
        (create, join_plain, {"prompt": 1}, ({"prompt": 1}, {})),
        (create, join_more, {"voice": 1, "greeting": 2}, ({"voice": 1}, {"greeting": 2})),
        (greedy_create, join_greedy, {"x": 1}, ({"x": 1}, {"x": 1})),
        (greedy_create, join_more, {"greeting": 1}, ({"greeting": 1}, {"greeting": 1})),
        (greedy_create, join_greedy, {"call_id": 1}, ({"call_id": 1}, {})),
        (create, join_greedy, {"x": 1}, ({}, {"x": 1})),
        (create, join_plain, {"x": 1}, "neither create_agent nor join_call takes the parameter x"),
        (create, join_plain, {"call_id": 1}, "neither create_agent nor join_call takes the parameter call_id"),
        (create_needs, join_plain, {}, "create_agent needs the parameter prompt, which is not given"),
    ],
)
def test_who_takes_which_parameter(create_agent, join_call, parameters, expected):
    recipe = Recipe(create_agent, join_call)
    if isinstance(expected, str):
        with pytest.raises(InvalidParameters) as caught:
            recipe.arguments(parameters)
        assert str(caught.value) == expected
    else:
        arguments = recipe.arguments(parameters)
        assert (arguments.create, arguments.join) == expected


@story
async def test_parameters_reach_both_functions():
    file = AgentFile(VirtualClock())
    async with launcher_of(file) as launcher:
        file.created.clear()
        await launcher.start_session("one", parameters={"mood": "calm"})
        await asyncio.sleep(0)
        assert file.created == [{"mood": "calm"}]
        assert file.joined == [("default", "one", {"mood": "calm"})]


@story
async def test_the_video_override_is_set_before_the_join():
    seen = []

    async def call(agent: OwnAgent) -> None:
        seen.append(agent.video)  # type: ignore[attr-defined]

    class Filming(OwnAgent):
        def set_video_track_override_path(self, path: str) -> None:
            self.video = path

    file = AgentFile(VirtualClock(), make=Filming, call=call)
    async with launcher_of(file) as launcher:
        await launcher.start_session("one", video_track_override_path="film.mp4")
        await asyncio.sleep(1)
        assert seen == ["film.mp4"]


# --- the registry ---


@story
async def test_the_registry_knows_live_sessions_and_their_figures():
    file = AgentFile(VirtualClock())
    async with launcher_of(file, maintenance_interval=2.0) as launcher:
        session = await launcher.start_session("one")
        info = await launcher.get_session_info("one", session.id)
        assert info is not None
        assert (info.session_id, info.call_id, info.call_type, info.phase) == (session.id, "one", "default", "Running")
        assert info.started_at == session.started_at.timestamp()
        session.agent.metrics.llm_input_tokens__total.inc(7)
        info = await launcher.get_session_info("one", session.id)
        assert info is not None
        assert info.metrics.to_dict()["llm_input_tokens__total"] == 7, "of a session here the figures are fresh"
        await asyncio.sleep(2.1)
        told = await launcher.registry.get("one", session.id)
        assert told is not None
        assert told.metrics.to_dict()["llm_input_tokens__total"] == 7
        assert told.metrics_updated_at > told.started_at
        assert [item.session_id for item in await launcher.registry.get_for_call("one")] == [session.id]
        await launcher.close_session(session.id, wait=True)
        assert await launcher.get_session_info("one", session.id) is None


@story
async def test_a_close_request_acts_at_once_here_and_with_the_next_look_from_elsewhere():
    file = AgentFile(VirtualClock())
    async with launcher_of(file, maintenance_interval=3.0) as launcher:
        here, there = await launcher.start_session("one"), await launcher.start_session("one")
        await launcher.request_close_session("one", here.id)
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        assert here.finished
        await launcher.registry.request_close("one", there.id)
        await asyncio.wait_for(asyncio.wait([there.task]), 3.1)


@story
async def test_a_registry_that_fails_costs_no_call():
    class Broken(InMemorySessionKVStore):
        async def put_within(self, *args: object, **kwargs: object) -> None:
            raise ConnectionError("redis is away")

        async def mget(self, keys: list[str]) -> list[bytes | None]:
            raise ConnectionError("redis is away")

    file = AgentFile(VirtualClock())
    async with launcher_of(
        file, registry=SessionRegistry(Broken(clock=file.clock), clock=file.clock), agent_idle_timeout=10
    ) as launcher:
        session = await launcher.start_session("one")
        await asyncio.sleep(100)
        assert not session.finished
        session.agent.alone()
        await asyncio.sleep(10.1)
        assert session.finished
