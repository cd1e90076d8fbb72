"""Tokens and permissions as the cluster judges them."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from tests.fakes.reviews import FakeReviews
from tests.fakes.virtual_time import VirtualClock
from tests.unit.api.rig import virtual

from greenroom_api.auth import Act, Undecided, Unrecognised
from greenroom_api.auth.kubernetes import KNOWN_SECONDS, UNKNOWN_SECONDS, KubernetesGate
from greenroom_core.kube.client import KubeClient
from greenroom_core.world import World

TOKEN = "a-token-of-ann"


def scene() -> tuple[KubernetesGate, FakeReviews, VirtualClock]:
    reviews, clock = FakeReviews(), VirtualClock()
    reviews.users[TOKEN] = "ann"
    client = KubeClient(World(clock, Random(1), reviews), deadline_seconds=2.0)
    return KubernetesGate(client, "default", ("here",)), reviews, clock


@virtual
async def test_a_caller_is_who_the_cluster_says() -> None:
    gate, reviews, _ = scene()
    caller = await gate.caller(TOKEN)
    assert caller.name == "ann"
    assert reviews.asked == [{"token": TOKEN, "audiences": ["here"]}]


@virtual
async def test_every_act_is_a_verb_on_sessions_of_the_namespace() -> None:
    gate, reviews, _ = scene()
    caller = await gate.caller(TOKEN)
    for act, verb, subresource in (
        (Act.START, "create", ""),
        (Act.VIEW, "get", ""),
        (Act.LIST, "list", ""),
        (Act.CLOSE, "update", ""),
        (Act.METRICS, "get", "metrics"),
    ):
        assert await gate.may(caller, act) is False
        reviews.allowed = {("ann", verb, subresource)}
        other = KubernetesGate(gate._client, "default")
        assert [each for each in Act if await other.may(caller, each)] == [act]
        reviews.allowed = set()
    assert reviews.asked[-1]["groups"] == ["people"]
    assert reviews.asked[-1]["extra"] == {"scopes": ["a"]}
    assert reviews.asked[-1]["uid"] == "uid-ann"


@virtual
async def test_what_is_taken_away_counts_for_seconds_only() -> None:
    gate, reviews, clock = scene()
    reviews.allowed = {("ann", "create", "")}
    caller = await gate.caller(TOKEN)
    assert await gate.may(caller, Act.START)
    reviews.allowed, reviews.users = set(), {}
    await clock.sleep(KNOWN_SECONDS - 0.1)
    assert await gate.may(await gate.caller(TOKEN), Act.START), "asked a moment ago"
    assert len(reviews.asked) == 2
    await clock.sleep(0.2)
    assert not await gate.may(caller, Act.START)
    with pytest.raises(Unrecognised):
        await gate.caller(TOKEN)


@virtual
async def test_a_token_that_becomes_known_is_let_in_soon() -> None:
    gate, reviews, clock = scene()
    with pytest.raises(Unrecognised) as refused:
        await gate.caller("new-token-of-bob")
    assert "new-token-of-bob" not in str(refused.value)
    reviews.users["new-token-of-bob"] = "bob"
    await clock.sleep(UNKNOWN_SECONDS + 0.1)
    assert (await gate.caller("new-token-of-bob")).name == "bob"


@virtual
async def test_a_crowd_with_one_token_is_one_review() -> None:
    gate, reviews, _ = scene()
    callers = await asyncio.gather(*(gate.caller(TOKEN) for _ in range(50)))
    assert {caller.name for caller in callers} == {"ann"}
    assert len(reviews.asked) == 1


@virtual
async def test_a_crowd_survives_the_one_who_asked_first() -> None:
    gate, _, _ = scene()
    first = asyncio.ensure_future(gate.caller(TOKEN))
    others = [asyncio.ensure_future(gate.caller(TOKEN)) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    assert {(await other).name for other in others} == {"ann"}
    assert gate._callers._asking == {}


@virtual
async def test_an_api_server_that_is_away_decides_nothing() -> None:
    gate, reviews, _ = scene()
    reviews.away = True
    with pytest.raises(Undecided) as told:
        await gate.caller(TOKEN)
    assert TOKEN not in str(told.value)
    reviews.away = False
    assert (await gate.caller(TOKEN)).name == "ann", "an error is not kept"


@virtual
async def test_a_refused_review_tells_nothing_of_the_token() -> None:
    gate, reviews, _ = scene()
    reviews.status = 403
    with pytest.raises(Undecided) as told:
        await gate.caller(TOKEN)
    assert TOKEN not in repr(told.value)
    assert told.value.__cause__ is None
