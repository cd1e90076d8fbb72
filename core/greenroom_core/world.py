"""The one object through which a program meets time, chance and the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from greenroom_core.clock import Clock
    from greenroom_core.kube.transport import Transport


@dataclass(frozen=True, slots=True)
class World:
    """What lies outside a program. Tests build one on virtual time, a seed and an in-memory API server."""

    clock: Clock
    random: Random
    transport: Transport
