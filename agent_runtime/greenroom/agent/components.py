"""The parts of one agent, started together and closed together."""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenroom.agent.interfaces import Component, FunctionSource
from greenroom.agent.processors import AudioProcessor, VideoProcessor
from greenroom.agent.realtime import Realtime
from greenroom.agent.turn_taking import TurnTakingSTT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from greenroom.agent.calls import Edge
    from greenroom.agent.interfaces import LLM, STT, TTS, VAD, TurnDetection
    from greenroom.observability import MetricsCollector
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent")

CLOSE_LIMIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Components:
    """What an agent was built from."""

    edge: Edge
    llm: LLM | Realtime
    stt: STT | TurnTakingSTT | None
    tts: TTS | None
    vad: VAD | None
    turn_detection: TurnDetection | None
    processors: tuple[Any, ...]
    mcp_servers: tuple[FunctionSource, ...] = ()

    def check(self) -> None:
        """Raises :class:`ValueError` if these cannot take part in a call."""
        if isinstance(self.llm, Realtime):
            self._check_alone(self.llm)
        elif self.stt is None and self.tts is None and not self.processors:
            raise ValueError("the agent can process neither audio nor video: give it stt, tts or processors")
        for processor in self.processors:
            _check_processor(processor)
        for server in self.mcp_servers:
            if not isinstance(server, FunctionSource):
                raise ValueError(
                    f"mcp_servers: a {type(server).__name__} is none; greenroom.plugins.mcp has MCPServerLocal and "
                    "MCPServerRemote"
                )
        if isinstance(self.stt, TurnTakingSTT):
            if self.vad is not None or self.turn_detection is not None:
                raise ValueError(
                    f"stt={type(self.stt).__name__} finds the user's turns itself: leave out vad and turn_detection"
                )
        elif self.stt is not None and self.vad is None:
            raise ValueError(
                f"stt={type(self.stt).__name__} needs to be told when the user speaks: give the agent a vad, "
                "for instance vad=local.VAD()"
            )

    def _check_alone(self, llm: Realtime) -> None:
        for name in ("stt", "tts", "vad", "turn_detection"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"llm={type(llm).__name__} hears and speaks itself: leave out {name}, or take a model that answers "
                    "in text"
                )

    @property
    def want_video(self) -> bool:
        """Whether one of them looks at what the call shows."""
        if isinstance(self.llm, Realtime) and self.llm.fps:
            return True
        return self.llm.picture_wish is not None or any(isinstance(one, VideoProcessor) for one in self.processors)

    def report_to(self, collector: MetricsCollector) -> None:
        for component in self._components():
            component.metrics.merge(collector)

    async def start(self) -> None:
        """Start all at once; the first error stops the others and is raised."""
        try:
            async with asyncio.TaskGroup() as group:
                for component in self._components():
                    group.create_task(component.start())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        self._offer_functions()

    async def close(self, clock: Clock) -> None:
        """Close all at once, then the edge; an error or a hang of one does not keep the others open."""
        async with asyncio.TaskGroup() as group:
            for component in (*self._components(), *self._closable_processors()):
                group.create_task(guarded(component.close(), f"close {type(component).__name__}", clock))
        await guarded(self.edge.close(), "close the edge", clock)

    def _offer_functions(self) -> None:
        for server in self.mcp_servers:
            for tool in server.tools:
                try:
                    self.llm.toolbox.add(tool)
                except ValueError as taken:
                    raise ValueError(f"{server}: {taken}, for instance by the server's prefix=") from None

    def _components(self) -> Iterator[Component]:
        parts = (self.llm, self.stt, self.tts, self.vad, self.turn_detection, *self.processors, *self.mcp_servers)
        return (part for part in parts if isinstance(part, Component))

    def _closable_processors(self) -> Iterator[Any]:
        return (
            processor
            for processor in self.processors
            if not isinstance(processor, Component) and inspect.iscoroutinefunction(getattr(processor, "close", None))
        )


def _check_processor(processor: object) -> None:
    for method, plug in (("process_video", VideoProcessor), ("process_audio", AudioProcessor)):
        if hasattr(processor, method) and not isinstance(processor, plug):
            raise ValueError(
                f"processors: {type(processor).__name__} has {method} and is no greenroom.agent.{plug.__name__}: "
                "derive it from that"
            )
        if isinstance(processor, plug) and not inspect.iscoroutinefunction(getattr(processor, method)):
            raise ValueError(f"processors: {type(processor).__name__}.{method} is not async: write `async def`")
    for pace in ("fps", "seconds"):
        if isinstance(processor, VideoProcessor | AudioProcessor) and not getattr(processor, pace, 1.0) > 0:
            raise ValueError(
                f"processors: {type(processor).__name__}.{pace} is {getattr(processor, pace)}: more than 0"
            )


async def guarded(step: Awaitable[object], what: str, clock: Clock) -> None:
    """One step of a shutdown: within :data:`CLOSE_LIMIT_SECONDS`, its error logged and not raised."""
    try:
        async with clock.timeout(CLOSE_LIMIT_SECONDS):
            await step
    except Exception as error:
        logger.warning("could not %s: %s: %s", what, type(error).__name__, error, exc_info=True)
