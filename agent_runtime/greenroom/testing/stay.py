"""An agent's stay in the test's call, from the agent file's two functions to the last task. Knows nothing of turns."""

from __future__ import annotations

import asyncio
import functools
import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from greenroom.agent import Agent
from greenroom.agent.components import guarded
from greenroom.agent.events import Event
from greenroom.checkpoints.form import decoded
from greenroom.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from greenroom.agent.calls import Edge
    from greenroom.agent.casting import Cast
    from greenroom.agent.interfaces import Component
    from greenroom.testing.log import Log
    from greenroom_core.clock import Clock


async def join_and_wait(agent: Agent, call_type: str, call_id: str) -> None:
    """What an agent does in a call where the test brings no `join_call`."""
    async with agent.join(await agent.create_call(call_type, call_id)):
        await agent.finish()


class Stay:
    """`begin`, then `end`, each once. `agent` is None until it is built, `checkpoint` until it keeps one."""

    def __init__(
        self, create_agent: Callable[..., Any], join_call: Callable[..., Awaitable[Any]], cast: Cast, clock: Clock
    ) -> None:
        self._create_agent = create_agent
        self._cast = cast
        self._clock = clock
        self._call: asyncio.Task[None] | None = None
        self._unused: tuple[Edge | Component, ...] = ()
        self._log: Log | None = None
        self.agent: Agent | None = None
        self.checkpoint: dict[str, Any] | None = None

        async def create(**keywords: Any) -> Agent:
            return await self._create(keywords)

        # The recipe is to see which parameters the test's function takes.
        self._recipe = Recipe(functools.update_wrapper(create, create_agent), join_call)

    async def begin(
        self,
        parameters: Mapping[str, Any],
        checkpoint: Mapping[str, Any] | None,
        call_type: str,
        call_id: str,
        log: Log,
    ) -> None:
        """Returns when the agent is in the call. Raises what the agent's code raises, and CallOver if it left."""
        self._log = log
        arguments = self._recipe.arguments(parameters, checkpoint)
        agent = await self._recipe.build(arguments.create)

        async def take_part() -> None:
            await self._recipe.join(agent, call_type, call_id, arguments.join)

        self._call = asyncio.create_task(take_part(), name="conversation-call")
        self._call.add_done_callback(lambda call: log.end(_error(call)))
        assert self.agent is not None
        await self._joined(self.agent, self._call, log)

    async def over(self) -> None:
        """Wait for the end of the call. Raises what the agent's code raised."""
        await self.settled()
        if self._call is not None and (error := _error(self._call)) is not None:
            raise error

    async def settled(self) -> None:
        """Wait for the end of the call, whatever it is."""
        if self._call is not None:
            await asyncio.wait((self._call,))

    async def end(self, patience_seconds: float) -> BaseException | None:
        """Close all there is; what the agent's code raised. Its `join_call` is cancelled if it does not return."""
        if self.agent is not None:
            await guarded(self.agent.close(), "close the agent", self._clock)
        error = await self._end_call(self._call, patience_seconds) if self._call is not None else None
        for part in self._unused:
            await guarded(part.close(), "close a part that was not used", self._clock)
        return error

    async def _create(self, keywords: Mapping[str, Any]) -> Agent:
        made = self._create_agent(**keywords)
        agent = await made if inspect.isawaitable(made) else made
        if not isinstance(agent, Agent):
            raise TypeError(f"create_agent returned a {type(agent).__name__}: it must return a greenroom.Agent")
        self.agent = agent
        agent.on_checkpoint(self._keep)
        self._unused = agent.recast(self._cast)

        @agent.subscribe
        def hear(event: Event) -> None:
            if self._log is not None:
                self._log.hear(event)

        return agent

    def _keep(self, text: str) -> None:
        self.checkpoint = decoded(text)

    async def _joined(self, agent: Agent, call: asyncio.Task[None], log: Log) -> None:
        joined = asyncio.ensure_future(agent.wait_joined())
        try:
            await asyncio.wait((joined, call), return_when=asyncio.FIRST_COMPLETED)
        finally:
            joined.cancel()
            (outcome,) = await asyncio.gather(joined, return_exceptions=True)
        if outcome is None and not call.done():
            return
        await asyncio.wait((call,))
        if (error := _error(call)) is not None:
            raise error
        log.end(None)
        log.check("the agent to join the call")

    async def _end_call(self, call: asyncio.Task[None], patience_seconds: float) -> BaseException | None:
        with suppress(TimeoutError):
            async with self._clock.timeout(patience_seconds):
                await asyncio.wait((call,))
        if call.done():
            return _error(call)
        call.cancel()
        await asyncio.wait((call,))
        return RuntimeError(f"join_call was not over {patience_seconds:g} s after the agent had closed")


def _error(call: asyncio.Task[None]) -> BaseException | None:
    return None if call.cancelled() else call.exception()
