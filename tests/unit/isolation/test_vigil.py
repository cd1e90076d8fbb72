"""When a session's process is killed, in seconds that somebody else counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.isolation.vigil import Verdict, Vigil


def vigil(blocked: float = 30.0, start: float = 60.0) -> Vigil:
    return Vigil(blocked_loop_seconds=blocked, start_timeout_seconds=start)


def first_verdict(watched: Vigil, *, hears: bool, within: float = 1000.0) -> tuple[float, Verdict | None]:
    """Looks as its guard does, until there is a verdict or `within` is over."""
    seconds = 0.0
    while seconds < within:
        if hears:
            watched.heard()
        seconds += watched.pause_seconds
        if (verdict := watched.passed(watched.pause_seconds)) is not None:
            return seconds, verdict
    return seconds, None


def test_silence_is_a_blocked_loop() -> None:
    watched = vigil(30)
    watched.built()
    assert first_verdict(watched, hears=False) == (30, Verdict.BLOCKED)


def test_who_reports_lives_for_ever() -> None:
    watched = vigil()
    watched.built()
    assert first_verdict(watched, hears=True) == (1000, None)


def test_a_start_that_hangs_gets_its_timeout_and_the_time_to_say_so_itself() -> None:
    assert first_verdict(vigil(start=60), hears=True) == (77, Verdict.STARTS_TOO_SLOWLY)


def test_a_start_that_says_nothing_gets_its_timeout_alone() -> None:
    assert first_verdict(vigil(blocked=300, start=60), hears=False) == (60, Verdict.STARTS_TOO_SLOWLY)


def test_who_is_to_leave_and_says_nothing_is_killed_on_time() -> None:
    watched = vigil()
    watched.built()
    watched.leaving(10)
    assert first_verdict(watched, hears=False) == (10, Verdict.LEAVES_TOO_SLOWLY)


def test_who_is_still_heard_while_leaving_gets_the_time_to_close_its_agent() -> None:
    watched = vigil()
    watched.built()
    watched.leaving(10)
    assert first_verdict(watched, hears=True) == (16, Verdict.LEAVES_TOO_SLOWLY)


def test_the_shorter_time_to_leave_holds() -> None:
    watched = vigil()
    watched.built()
    watched.leaving(10)
    watched.leaving(2)
    watched.leaving(50)
    assert first_verdict(watched, hears=True) == (8, Verdict.LEAVES_TOO_SLOWLY)


def test_a_process_whose_life_is_over_has_to_follow() -> None:
    watched = vigil()
    watched.leaving(1)
    watched.over()
    assert first_verdict(watched, hears=False) == (5, Verdict.DOES_NOT_EXIT)


@given(st.floats(min_value=0.01, max_value=600))
def test_it_looks_often_enough_to_be_in_time(blocked: float) -> None:
    watched = vigil(blocked)
    watched.built()
    assert watched.pause_seconds <= 1
    seconds, verdict = first_verdict(watched, hears=False)
    assert verdict is Verdict.BLOCKED
    assert blocked <= seconds + 1e-6
    assert seconds <= blocked + watched.pause_seconds + 1e-6


@pytest.mark.parametrize("hears", [True, False])
def test_nothing_at_all_happens_without_time(hears: bool) -> None:
    watched = vigil()
    watched.leaving(math.ulp(0))
    assert watched.silent_seconds == 0
    watched.heard()
    assert watched.passed(0.0) is None
