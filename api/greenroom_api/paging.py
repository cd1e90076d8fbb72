"""A page of a listing, newest first, and the cursor to the next. Pure; it knows no backend's own kind of session."""

from __future__ import annotations

import base64
import heapq
from typing import TYPE_CHECKING, TypeVar

import msgspec

from greenroom_api.backend import BadCursor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

Place = tuple[float, str]
"""When a session came (seconds since the epoch), and its id."""

_place: msgspec.json.Decoder[Place] = msgspec.json.Decoder(Place)


def page(
    sessions: Iterable[T], place: Callable[[T], Place], limit: int, after: str | None
) -> tuple[list[T], str | None]:
    """Those of the page, and what `after` of the next one is. Later sessions do not disturb the pages after a cursor.

    Raises BadCursor.
    """
    before = _decoded(after) if after is not None else None
    rest = [session for session in sessions if before is None or place(session) < before]
    newest = heapq.nlargest(limit, rest, key=place)
    more = len(rest) > len(newest)
    return newest, _encoded(place(newest[-1])) if more and newest else None


def _encoded(place: Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _decoded(cursor: str) -> Place:
    try:
        return _place.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, msgspec.DecodeError) as error:
        raise BadCursor(f"after={cursor!r} is not the `next` of a listing") from error
