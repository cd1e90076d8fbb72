"""I7: the same Idempotency-Key gives the same session. Clients report what they were answered."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class KeyedAnswer:
    """A start that was answered with a session. `call_id` is part of what the key is for."""

    call_id: str
    key: str
    session_id: str


def differing(answers: Iterable[KeyedAnswer]) -> Iterator[tuple[str, str]]:
    """(a session's name, text) for each key that gave more than one."""
    given: dict[tuple[str, str], set[str]] = defaultdict(set)
    for answer in answers:
        given[(answer.call_id, answer.key)].add(answer.session_id)
    for (call_id, key), sessions in given.items():
        if len(sessions) > 1:
            yield min(sessions), f"key {key!r} for call {call_id} gave {len(sessions)} sessions: {sorted(sessions)}"
