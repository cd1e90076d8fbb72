"""Faults by script: what happens to the next requests that match, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fakes.apiserver.answers import Failure
from tests.fakes.apiserver.transport import Faults

from greenroom_core.kube.transport import Answer, Request, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock


def any_request(_: Request) -> bool:
    return True


def writes(request: Request) -> bool:
    return request.method != "GET"


def reads(request: Request) -> bool:
    return request.method == "GET" and "watch" not in request.query


def watches(request: Request) -> bool:
    return "watch" in request.query


def refusal(status: int, reason: str = "", message: str = "by script", retry_after: float | None = None) -> Answer:
    """An answer that the server did not give."""
    return Failure(status, reason, message, retry_after_seconds=retry_after).answer()


@dataclass(slots=True)
class Step:
    """What happens to the next `times` requests that `matches`."""

    matches: Callable[[Request], bool]
    times: int
    delay_before_seconds: float = 0.0
    delay_after_seconds: float = 0.0
    never_sent: bool = False
    drop_request: bool = False
    drop_reply: bool = False
    answer: Answer | None = None


class Script(Faults):
    """`script.add(writes, drop_reply=True)`; the first step that matches acts, and is used up after its times.

    `seen` holds every request, watches included, in the order of sending.
    """

    def __init__(self, clock: Clock) -> None:
        self.seen: list[Request] = []
        self.lag_seconds = 0.0
        self._clock = clock
        self._steps: list[Step] = []
        self._after: dict[int, Step] = {}

    def add(
        self,
        matches: Callable[[Request], bool] = any_request,
        times: int = 1,
        *,
        delay_before_seconds: float = 0.0,
        delay_after_seconds: float = 0.0,
        never_sent: bool = False,
        drop_request: bool = False,
        drop_reply: bool = False,
        answer: Answer | None = None,
    ) -> None:
        self._steps.append(
            Step(
                matches,
                times,
                delay_before_seconds,
                delay_after_seconds,
                never_sent,
                drop_request,
                drop_reply,
                answer,
            )
        )

    def clear(self) -> None:
        """All is well from now on."""
        self._steps.clear()
        self._after.clear()

    @property
    def used_up(self) -> bool:
        return not self._steps

    async def before(self, request: Request) -> Answer | None:
        self.seen.append(request)
        step = self._next(request)
        if step is None:
            return None
        if step.never_sent:
            raise TransportError("connection refused", sent=False)
        if step.delay_before_seconds:
            await self._clock.sleep(step.delay_before_seconds)
        if step.drop_request:
            raise TransportError("connection reset by peer")
        if step.answer is None:
            self._after[id(request)] = step
        return step.answer

    async def after(self, request: Request, answer: Answer) -> Answer:
        step = self._after.pop(id(request), None)
        if step is None:
            return answer
        if step.delay_after_seconds:
            await self._clock.sleep(step.delay_after_seconds)
        if step.drop_reply:
            raise TransportError("connection reset by peer")
        return answer

    def watch_delay_seconds(self, request: Request) -> float:
        return self.lag_seconds

    def _next(self, request: Request) -> Step | None:
        for step in self._steps:
            if step.matches(request):
                step.times -= 1
                if step.times == 0:
                    self._steps.remove(step)
                return step
        return None
