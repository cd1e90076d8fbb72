"""Who is given what an earlier attempt has left, and that one node has no attempt after the first."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.checkpoints import MemoryCheckpoints
from tests.fakes.virtual_time import VirtualClock
from tests.unit.runtime.agents import AgentFile, KeepingAgent
from tests.unit.runtime.stories import story

from greenroom.errors import InvalidParameters
from greenroom.launcher import AgentLauncher
from greenroom.recipe import Recipe

KEPT = {"said": "one"}


def recipe_of(created: list[Any], joined: list[Any], *, takes: str) -> Recipe:
    """Functions that take the checkpoint as `takes` says, and note what they were called with."""
    namespace: dict[str, Any] = {"created": created, "joined": joined, "KeepingAgent": KeepingAgent}
    namespace["clock"] = VirtualClock()
    source = f"""
def create_agent({takes}):
    created.append(locals())
    return KeepingAgent(clock)

async def join_call(agent, call_type, call_id{", " if takes else ""}{takes}):
    joined.append({{name: value for name, value in locals().items() if name not in ("agent", "call_type", "call_id")}})
"""
    exec(source, namespace)
    return Recipe(namespace["create_agent"], namespace["join_call"])


@pytest.mark.parametrize(
    ("takes", "first", "later"),
    [
        ("", {}, {}),
        ("checkpoint=None", {"checkpoint": None}, {"checkpoint": KEPT}),
        ("checkpoint='base'", {"checkpoint": "base"}, {"checkpoint": KEPT}),
        ("checkpoint", {"checkpoint": None}, {"checkpoint": KEPT}),
        ("*, checkpoint", {"checkpoint": None}, {"checkpoint": KEPT}),
        ("**more", {"more": {}}, {"more": {"checkpoint": KEPT}}),
    ],
)
@story
async def test_each_function_gets_it_as_far_as_it_takes_it(takes: str, first: Any, later: Any) -> None:
    for checkpoint, expected in ((None, first), (KEPT, later)):
        created: list[Any] = []
        joined: list[Any] = []
        recipe = recipe_of(created, joined, takes=takes)
        arguments = recipe.arguments({}, checkpoint)
        agent = await recipe.build(arguments.create)
        await recipe.join(agent, "default", "one", arguments.join)
        assert (created, joined) == ([expected], [expected])


@story
async def test_a_function_that_needs_it_is_warmed_up_without() -> None:
    created: list[Any] = []
    await recipe_of(created, [], takes="checkpoint").warm_up()
    assert created == [{"checkpoint": None}]


@pytest.mark.parametrize("takes", ["", "checkpoint=None", "checkpoint", "**more"])
@pytest.mark.parametrize("checkpoint", [None, KEPT])
def test_no_parameter_may_pass_for_it(takes: str, checkpoint: Any) -> None:
    with pytest.raises(InvalidParameters, match="no parameter may be called checkpoint"):
        recipe_of([], [], takes=takes).arguments({"checkpoint": {"signed_in": True}}, checkpoint)


@story
async def test_on_one_node_it_is_never_given_and_nothing_is_saved() -> None:
    store = MemoryCheckpoints()
    file = AgentFile(VirtualClock(), make=KeepingAgent)
    async with AgentLauncher(file.create_agent, file.join_call, clock=file.clock, checkpoints=store) as launcher:
        session = await launcher.start_session("one")
        agent: Any = session.agent
        agent.checkpoint(KEPT)
        await file.clock.sleep(20)
        await launcher.close_session(session.id, wait=True)
        await launcher.start_session("one")
        with pytest.raises(InvalidParameters, match="checkpoint"):
            await launcher.start_session("one", parameters={"checkpoint": KEPT})
    assert file.created == [{}, {}, {}]
    assert [kwargs for _, _, kwargs in file.joined] == [{}, {}]
    assert store.asked == []
