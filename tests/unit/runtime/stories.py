"""Async tests that run on virtual time: hours cost nothing, and every run is the same."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from tests.fakes.virtual_time import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def story(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test on virtual time; parameters and fixtures work as usual."""

    @functools.wraps(function)
    def test(*args: Any, **kwargs: Any) -> None:
        run_virtual(function(*args, **kwargs), limit_seconds=200_000)

    return test
