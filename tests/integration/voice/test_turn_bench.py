"""The turn's bench, small: its scenes find what they look for, and its verdicts are right. No figure is judged here."""

from __future__ import annotations

from importlib import import_module

import pytest
from tests.bench.turn import rows
from tests.bench.turn.answers import barge_in, own_share
from tests.bench.turn.conversations import live, many_calls
from tests.bench.turn.scenes import PARTS, SCENES
from tests.bench.turn.sessions import Ears
from tests.bench.turn.subject import SCENES as SUBJECTS


@pytest.mark.parametrize("ears", ["vad", "turn-taking"])
async def test_each_turn_and_each_interruption_gives_a_figure(ears: Ears) -> None:
    answers = await own_share(sessions=2, ears=ears, turns=1)
    assert len(answers["own"]) == len(answers["less_nominal"]) == 2
    assert min(answers["own"]) > 0.0
    stops = await barge_in(sessions=1, ears=ears, count=1)
    assert [len(seconds) for seconds in stops.values()] == [1, 1, 1]


async def test_a_live_call_is_heard_and_its_cost_told() -> None:
    found = await live(sessions=1, engines=False, seconds=4.0)
    assert found["least_frames"] > 0
    assert set(found) == {"cpu", "bytes", "least_frames"}


async def test_calls_that_were_cut_off_leave_no_task() -> None:
    few, more = await many_calls([2, 6], at_once=2)
    assert (few["calls"], more["calls"]) == (2, 6)
    assert few["tasks"] == more["tasks"]


def test_every_scene_can_be_run_by_its_process_and_chosen() -> None:
    scenes = [scene for group in SCENES for scene in group]
    assert {scene.name for scene in scenes} == set(SUBJECTS)
    for name, module in SUBJECTS.items():
        assert callable(getattr(import_module(f"tests.bench.turn.{module}"), name))
    assert {scene.part for scene in scenes} == set(PARTS)


def test_a_scene_makes_rows_with_verdicts() -> None:
    made = rows.own_share("vad", 1, 3).rows({"own": [0.001, 0.001, 0.02], "less_nominal": [0.002] * 3})
    assert [(row.value, row.met) for row in made] == [(1.0, True), (18.1, False), (2.0, None), (2.0, None)]
    table = rows.lines(made)
    assert " ".join(table[1].split()) == "own share of a turn, vad, 1 session, p50 of 3 1 ms 6 met"
    assert table[2].endswith("MISSED")
