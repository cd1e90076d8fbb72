"""What may be a checkpoint, and what the error says of that which may not."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.checkpoints.form import decoded, encoded

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), plain, max_size=4))
def test_what_comes_back_is_what_went_in(state: dict[str, Any]) -> None:
    text = encoded(state)
    assert decoded(text) == state
    assert len(text.encode()) <= 16_384


def test_a_number_of_any_size_is_kept() -> None:
    assert decoded(encoded({"n": 2**80})) == {"n": 2**80}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ([1], "a checkpoint is a dict, not list"),
        (None, "a checkpoint is a dict, not NoneType"),
        ({"at": date(2030, 1, 1)}, "holds JSON's types alone: Object of type date"),
        ({"x": math.nan}, "holds JSON's types alone: Out of range float"),
        ({"x": {1: "a"}}, "keys are texts, and one is int"),
        ({"x": [({None: 1},)]}, "keys are texts, and one is NoneType"),
        ({"x": "\ud800"}, "holds JSON's types alone: it has half a surrogate pair"),
        ({"x": "a" * 16_377}, "a checkpoint of 16385 bytes, and at most 16384 can be kept"),
        ({"x": "ü" * 8_189}, "a checkpoint of 16386 bytes, and at most 16384 can be kept"),
    ],
)
def test_what_is_refused_and_why(state: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        encoded(state)


def test_one_in_itself_is_refused() -> None:
    state: dict[str, Any] = {}
    state["self"] = state
    with pytest.raises(ValueError, match="Circular"):
        encoded(state)


def test_the_largest_fits() -> None:
    assert len(encoded({"x": "a" * 16_376}).encode()) == 16_384


@pytest.mark.parametrize("text", ["", "[]", "{", "nul", '"x"', "[" * 100_000])
def test_what_is_no_object_is_none(text: str) -> None:
    assert decoded(text) is None


def test_an_error_does_not_repeat_what_was_said() -> None:
    for state in ({"secret words": "\ud800 secret words"}, {"x": "secret words" * 2_000}, ["secret words"]):
        with pytest.raises(ValueError, match="checkpoint") as caught:
            encoded(state)
        assert "secret words" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
