"""A connection on a bad day: about one request in six goes wrong, and watches lag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.apiserver import Faults
from tests.fakes.apiserver.faults import refusal

from greenroom_core.kube.transport import TransportError

if TYPE_CHECKING:
    from random import Random

    from tests.unit.whole.stage import Stage

    from greenroom_core.kube.transport import Answer, Request


class BadDay(Faults):
    """While `bad`, about one request in six goes wrong, and watches lag."""

    def __init__(self, here: Stage, random: Random) -> None:
        self.bad = True
        self._here = here
        self._random = random

    async def before(self, request: Request) -> Answer | None:
        if not self.bad:
            return None
        match self._random.randrange(40):
            case 0:
                raise TransportError("connection refused", sent=False)
            case 1:
                raise TransportError("connection reset by peer")
            case 2:
                return refusal(*self._random.choice([(500, ""), (403, "Forbidden"), (429, "TooManyRequests")]))
            case 3:
                await self._here.clock.sleep(self._random.uniform(0, 25))
            case 4 | 5:
                await self._here.clock.sleep(self._random.uniform(0, 2))
        return None

    async def after(self, request: Request, answer: Answer) -> Answer:
        if self.bad and self._random.randrange(30) == 0:
            raise TransportError("connection reset by peer")
        return answer

    def watch_delay_seconds(self, request: Request) -> float:
        return self._random.choice([0.0, 0.0, 0.0, 0.05, 0.5, 3.0]) if self.bad else 0.0
