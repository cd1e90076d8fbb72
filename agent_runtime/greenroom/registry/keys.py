"""The keys under which a store holds a session. They are paths: `FOLDER/CALL/SESSION`.

A call id may be any text, so both ids are escaped until no two sessions share a key and no id leads into another
call's folder.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

SESSIONS = "sessions/"
"""Records of living sessions: a session lives as long as its record does, and counts for the limits as long."""

ENDED = "ended/"
"""What is told of a session that has no living record: how it ended, or that its node was lost."""

CLOSE_REQUESTS = "close_requests/"

_LONGEST_CHARACTERS = 200
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")  # what `quote` leaves as it is, at less cost


def record_key(call_id: str, session_id: str) -> str:
    return SESSIONS + _path(call_id, session_id)


def ended_key(call_id: str, session_id: str) -> str:
    return ENDED + _path(call_id, session_id)


def close_key(call_id: str, session_id: str) -> str:
    return CLOSE_REQUESTS + _path(call_id, session_id)


def call_folder(top: str, call_id: str) -> str:
    """All keys of a call below `top` start with this, and no others do."""
    return f"{top}{segment(call_id)}/"


def folders(key: str) -> tuple[str, ...]:
    """Every folder that holds `key`, widest first: `a/` and `a/b/` for `a/b/c`."""
    found = []
    end = key.find("/") + 1
    while end:
        found.append(key[:end])
        end = key.find("/", end) + 1
    return tuple(found)


def segment(text: str) -> str:
    """`text` as one part of a path: percent-encoded, a long one as its hash.

    An encoded text holds no `=`, so that nobody can choose an id that reads like another one's hash.
    """
    plain = _PLAIN.fullmatch(text) is not None
    encoded = text if plain else quote(text, safe="", errors="surrogatepass")
    if len(encoded) <= _LONGEST_CHARACTERS:
        return encoded
    return "=" + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _path(call_id: str, session_id: str) -> str:
    return f"{segment(call_id)}/{segment(session_id)}"
