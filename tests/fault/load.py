"""A steady load: callers that begin one session after another, let each live some seconds, and see its end."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.fault.evidence import Life
from tests.invariants import KeyedAnswer, events
from tests.stack.rest import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from random import Random

    from tests.stack import Stack

JOIN_SECONDS = 0.05
SHORTEST_SECONDS, LONGEST_SECONDS = 0.3, 1.5
MEAN_PAUSE_SECONDS = 0.8
_ANSWER_SECONDS = 8.0
_PAUSE_SECONDS = 0.2
PATIENCE_SECONDS = 90.0
"""A caller who has got no answer, or seen no end, for so long gives up: that session is stuck."""


class Load:
    """`lives` has every session that anybody began. Callers are good clients: they have a key, and where an API does
    not answer in 8 s, or with 503, they ask another with the same key."""

    def __init__(self, stack: Stack, callers: int, chance: Random) -> None:
        self.lives: list[Life] = []
        self.chance = chance
        self._stack = stack
        self._number = 0
        self._resting = False
        self._seen_through = [0.0] * callers
        """When each caller asked for the newest session that it has seen through."""
        self._answered = 0
        self._news = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Callers come and go inside; leaving waits until each has seen the ends of its sessions."""
        self._resting = False
        callers = [asyncio.create_task(self._caller(number)) for number in range(len(self._seen_through))]
        try:
            yield
        finally:
            # Also after an error: a caller that is torn away would leave a session that nobody looks after.
            self._resting = True
            await asyncio.gather(*callers)

    async def a_turn_of_each(self, seconds: float) -> None:
        """Until every caller has begun a session from now on and seen its end. AssertionError when not in time."""
        now = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                while min(self._seen_through) < now:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            waiting = sum(asked_at < now for asked_at in self._seen_through)
            raise AssertionError(f"{waiting} callers have seen no session through in {seconds:g} s") from None

    async def until_answered(self, count: int) -> None:
        """Until so many more starts have been answered."""
        wanted = self._answered + count
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self._answered < wanted:
                self._news.clear()
                await self._news.wait()

    async def begin(self, *, finish_seconds: float | None, again: bool = False, **body: Any) -> Life:
        """A session, patiently; it is answered for, unless even patience was in vain."""
        self._number += 1
        life = Life(f"call-{self._number}", finish_seconds, again, time.monotonic())
        self.lives.append(life)
        parameters: dict[str, Any] = {"join_seconds": JOIN_SECONDS}
        if finish_seconds is not None:
            parameters["finish_seconds"] = finish_seconds
        body = {"parameters": parameters, **({"restart_policy": "OnPodLoss"} if again else {}), **body}
        key = f"key-of-{life.call}"

        async def ask(api: int) -> Answer:
            return await self._stack.rest[api].start(life.call, key, **body)

        answer = await self._patiently(ask)
        if answer is not None:
            life.status, life.answered_at = answer.status, time.monotonic()
            self._answered += 1
            self._news.set()
            if life.acknowledged:
                life.session = answer.session_id
                self._stack.answers.append(KeyedAnswer(life.call, key, life.session))
        return life

    async def see_through(self, life: Life) -> None:
        """Asks it to close where it would not end by itself, and waits for its end."""
        if not life.acknowledged:
            return
        if life.finish_seconds is None:
            life.close_asked_at = time.monotonic()

            async def ask(api: int) -> Answer:
                return await self._stack.rest[api].close(life.call, life.session)

            await self._patiently(ask)
        await self._until_ended(life.session)

    async def _caller(self, number: int) -> None:
        """Begins the next session whether or not the last one has ended, so that starts come at all times."""
        async with asyncio.TaskGroup() as lives:
            while not self._resting:
                seconds = self.chance.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
                by_itself, again = self.chance.random() < 0.6, self.chance.random() < 0.5
                life = await self.begin(finish_seconds=seconds if by_itself else None, again=again)
                lives.create_task(self._live(number, life, 0.0 if by_itself else seconds))
                await asyncio.sleep(self.chance.uniform(0, 2 * MEAN_PAUSE_SECONDS))

    async def _live(self, number: int, life: Life, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.see_through(life)
        self._seen_through[number] = max(self._seen_through[number], life.asked_at)
        self._news.set()

    async def _patiently(self, ask: Callable[[int], Awaitable[Answer]]) -> Answer | None:
        """Until there is an answer other than 503, from one API after the other; None in the end."""
        api = self.chance.randrange(len(self._stack.rest))
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    answer = await ask(api)
                if answer.status != 503:
                    return answer
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            api = (api + 1) % len(self._stack.rest)
            await asyncio.sleep(_PAUSE_SECONDS)
        return None

    async def _until_ended(self, session: str) -> None:
        def over() -> bool:
            body = self._stack.recorder.session(session)
            return body is None or events.ended(body)

        try:
            # The answer may be ahead of what the recorder has been told.
            await self._stack.recorder.until(lambda: self._stack.recorder.history(session), PATIENCE_SECONDS, session)
            await self._stack.recorder.until(over, PATIENCE_SECONDS, session)
        except AssertionError:
            return  # the verdict names it, from the same recording
