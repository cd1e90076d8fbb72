"""Arguments that agents of Vision Agents are built with and ours are not: taken where they change nothing, refused with
the way out where they would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping


class ForeignArguments(TypedDict, total=False):
    """None is as good as absent."""

    avatar: Any
    options: Any
    tracer: Any
    profiler: Any
    multi_speaker_filter: Any


_WITHOUT_EFFECT = frozenset(("options", "tracer", "profiler", "multi_speaker_filter"))


def check_foreign(given: Mapping[str, Any]) -> None:
    """Raises :class:`ValueError` for an argument that would be missed, TypeError for one that nobody knows."""
    for name, value in given.items():
        if name == "avatar":
            if value is not None:
                raise ValueError("Agent(avatar=…): there are none here: leave it out and the agent has no picture")
        elif name not in _WITHOUT_EFFECT:
            raise TypeError(f"Agent() got an unexpected keyword argument {name!r}")
