"""The agent file's two functions, as another process finds them: by name."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenroom.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True, slots=True)
class RecipeSource:
    """Raises :class:`ValueError` for a function that cannot be found by name from another process."""

    create_agent: Callable[..., Any]
    join_call: Callable[..., Awaitable[Any]]

    def __post_init__(self) -> None:
        for role in ("create_agent", "join_call"):
            _check(role, getattr(self, role))

    def recipe(self) -> Recipe:
        return Recipe(self.create_agent, self.join_call)


def _check(role: str, function: Callable[..., Any]) -> None:
    try:
        pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        name = getattr(function, "__qualname__", repr(function))
        module = getattr(function, "__module__", "?")
        raise ValueError(
            f'{role}: isolation="process" imports it by name in another process, and {name} of {module} cannot be '
            f"found there ({error}); define it with `def` at the top level of its module"
        ) from error
