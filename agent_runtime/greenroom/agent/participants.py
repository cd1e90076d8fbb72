"""Who is in a call."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """The identity an agent takes in its calls."""

    name: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody else in the call."""

    id: str
    name: str = ""
