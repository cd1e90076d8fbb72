"""A session's records as they stand in a store: the living one, and what is told of it afterwards.

Two keys each: the record that lives as long as its owner renews it, and the note under `ended/`. That note is written
together with the first record, as a will: should the record vanish because its node died, the note says so, and nobody
has to notice the death. The owner overwrites it with how the session really ended.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from greenroom.observability.metrics import AgentMetrics
from greenroom.registry.info import SessionInfo
from greenroom.registry.keys import ended_key, record_key
from greenroom.registry.store import Entry
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason

logger = logging.getLogger("greenroom.runtime.registry")

_JSON = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """In seconds. `ttl`: how long a record lives without its owner; `kept`: how long an ended session is listed.

    `alone`: no other registry reads the store, which dies with its owner. Its keys hold the places then; what they
    would say stands in the owner's memory, and nobody could open a will.
    """

    ttl: float
    kept: float
    alone: bool = False


@dataclass(slots=True)
class Own:
    """A session of this registry: what is known of it, and its two keys, of which one is seldom asked for."""

    info: SessionInfo
    record: str

    @classmethod
    def of(cls, info: SessionInfo) -> Own:
        return cls(info, record_key(info.call_id, info.session_id))

    @property
    def note(self) -> str:
        return ended_key(self.info.call_id, self.info.session_id)

    def living(self, now: float, lifetimes: Lifetimes) -> list[Entry]:
        if lifetimes.alone:
            return [Entry(self.record, b"", lifetimes.ttl)]
        values = self.info.to_dict()
        entries = [Entry(self.record, _encoded(values), lifetimes.ttl)]
        if lifetimes.kept > 0:
            values |= _lost(self.info.node_id, now + lifetimes.ttl)
            entries.append(Entry(self.note, _encoded(values), lifetimes.ttl + lifetimes.kept))
        return entries

    def lives(self, lifetimes: Lifetimes) -> list[tuple[str, float]]:
        """Keys and times to live, to renew what :meth:`living` wrote."""
        lives = [(self.record, lifetimes.ttl)]
        if lifetimes.kept > 0 and not lifetimes.alone:
            lives.append((self.note, lifetimes.ttl + lifetimes.kept))
        return lives


def _lost(node_id: str, at: float) -> dict[str, Any]:
    """What differs in a session's values if its node is never heard of again: known from `at` on."""
    return {
        "phase": Phase.FAILED.value,
        "reason": EndReason.POD_LOST.value,
        "message": f"node {node_id} was lost: it no longer renews its sessions",
        "ended_at": at,
        "answer": "",
    }


def encode(info: SessionInfo) -> bytes:
    return _encoded(info.to_dict())


def _encoded(values: Mapping[str, Any]) -> bytes:
    try:
        return _JSON.encode(values)
    except UnicodeEncodeError:  # a text with half a surrogate pair, which only an escape can carry
        return json.dumps(values, separators=(",", ":")).encode()


def decode(value: bytes | None) -> SessionInfo | None:
    """None for no value, and for one that is no record of ours, which the log then tells."""
    if not value:
        return None
    try:
        return SessionInfo.from_dict(json.loads(value))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        logger.warning("a record in the session store cannot be read: %s: %s", type(error).__name__, error)
        return None


def snapshot(metrics: Any) -> AgentMetrics:
    """The figures as they are now: of our metrics, of figures by name, or of anything that has `to_dict`."""
    if isinstance(metrics, AgentMetrics):
        return metrics.copy()
    return AgentMetrics.from_dict(metrics if isinstance(metrics, Mapping) else metrics.to_dict())
