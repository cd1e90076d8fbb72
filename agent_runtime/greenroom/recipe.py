"""How this process makes an agent and sends it into a call: the two functions of the agent file.

Knows which keyword arguments each takes and what can be warmed up. Knows nothing of limits or hosts.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenroom import hosted
from greenroom.errors import AgentExit, InvalidParameters
from greenroom.speakers import SpeakerFilters
from greenroom.warmup import WarmupCache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from greenroom.hosted import HostedAgent

logger = logging.getLogger("greenroom.runtime.agent")

_PARTS = ("llm", "tts", "stt", "vad", "turn_detection")
_JOIN_POSITIONALS = 3
_CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Arguments:
    """The keyword arguments of one session, for each of the two functions."""

    create: Mapping[str, Any] = field(default_factory=dict)
    join: Mapping[str, Any] = field(default_factory=dict)


_NO_ARGUMENTS = Arguments()


@dataclass(frozen=True, slots=True)
class _Keywords:
    """What a function takes by name."""

    named: frozenset[str]
    required: frozenset[str]
    any: bool

    def takes(self, name: str) -> bool:
        return self.any or name in self.named

    def completed(self, keywords: Mapping[str, Any]) -> Mapping[str, Any]:
        """With None for the checkpoint where the function wants to be told that there is none."""
        return {_CHECKPOINT: None, **keywords} if _CHECKPOINT in self.required else keywords


class Recipe:
    """`create_agent` (sync or async) and `join_call(agent, call_type, call_id, …)`."""

    def __init__(self, create_agent: Callable[..., Any], join_call: Callable[..., Awaitable[Any]]) -> None:
        self._create_agent = create_agent
        self._join_call = join_call
        self._cache = WarmupCache()
        self._speaker_filters = SpeakerFilters(self._cache)
        self._create_takes, _ = _keywords(create_agent, positionals=0)
        self._join_takes, self._join_positionals = _keywords(join_call, positionals=_JOIN_POSITIONALS)
        self._required = self._create_takes.required | self._join_takes.required

    def arguments(self, parameters: Mapping[str, Any], checkpoint: Mapping[str, Any] | None = None) -> Arguments:
        """Who takes which parameter, and the `checkpoint` that an earlier attempt left, if it did.

        Raises InvalidParameters for a parameter that nobody takes, for a missing one, and for one that would pass for
        a checkpoint: no caller may make up what an agent believes to have kept itself.
        """
        if not parameters and not self._required and checkpoint is None:
            return _NO_ARGUMENTS
        if _CHECKPOINT in parameters:
            raise InvalidParameters(f"no parameter may be called {_CHECKPOINT}: it is what the agent itself has kept")
        given = parameters if checkpoint is None else {**parameters, _CHECKPOINT: checkpoint}
        create = {name: value for name, value in given.items() if self._create_takes.takes(name)}
        join = {name: value for name, value in given.items() if self._join_takes_parameter(name)}
        strange = sorted(parameters.keys() - create.keys() - join.keys())
        if strange:
            raise InvalidParameters(f"neither create_agent nor join_call takes the parameter {', '.join(strange)}")
        for function, takes in (("create_agent", self._create_takes), ("join_call", self._join_takes)):
            missing = sorted(takes.required - parameters.keys() - {_CHECKPOINT})
            if missing:
                raise InvalidParameters(f"{function} needs the parameter {', '.join(missing)}, which is not given")
        return Arguments(create, join)

    async def warm_up(self) -> None:
        """Load what agents share, with one that is thrown away. Where none can be made without a session's parameters,
        the first session loads."""
        needed = self._create_takes.required - {_CHECKPOINT}
        if needed:
            logger.info("create_agent needs %s: nothing is loaded before the first session", ", ".join(sorted(needed)))
            return
        await hosted.close(await self.build({}))

    async def build(
        self,
        keywords: Mapping[str, Any],
        *,
        session_id: str | None = None,
        video_track_override_path: str | None = None,
    ) -> HostedAgent:
        """A warmed-up agent that bears the session's name. One that cannot be made ready is closed again."""
        agent = await self._created(keywords)
        try:
            if session_id is not None:
                hosted.adopt(agent, session_id)
            if video_track_override_path is not None:
                hosted.show_video_file(agent, video_track_override_path)
            await self._warm(agent)
            await self._speaker_filters.warm(agent)
        except BaseException:
            await hosted.close(agent)
            raise
        return agent

    def join(self, agent: HostedAgent, call_type: str, call_id: str, keywords: Mapping[str, Any]) -> Awaitable[Any]:
        """The whole call, to be awaited: it is over when the agent has left."""
        return self._join_call(agent, call_type, call_id, **self._join_takes.completed(keywords))

    def _join_takes_parameter(self, name: str) -> bool:
        return self._join_takes.takes(name) and name not in self._join_positionals

    async def _created(self, keywords: Mapping[str, Any]) -> HostedAgent:
        try:
            made = self._create_agent(**self._create_takes.completed(keywords))
            agent: HostedAgent | None = await made if inspect.isawaitable(made) else made
        except SystemExit as error:
            raise AgentExit(f"create_agent raised SystemExit({error.code!r})") from error
        if agent is None:
            raise TypeError("create_agent returned None: it must return the agent")
        return agent

    async def _warm(self, agent: HostedAgent) -> None:
        parts: list[Any] = [getattr(agent, name, None) for name in _PARTS]
        for several in ("processors", "mcp_servers"):
            parts += getattr(agent, several, None) or ()
        warmable = [part for part in parts if callable(getattr(part, "on_warmup", None))]
        if not warmable:
            return
        try:
            async with asyncio.TaskGroup() as group:
                for part in warmable:
                    group.create_task(self._cache.warmup(part))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None


def _keywords(function: Callable[..., Any], *, positionals: int) -> tuple[_Keywords, frozenset[str]]:
    """What `function` takes by name beside its first `positionals` arguments, and those arguments' names."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # some callables written in C do not say
        return _Keywords(frozenset(), frozenset(), any=True), frozenset()
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    first = [item.name for item in parameters if item.kind in by_position][:positionals]
    by_name = [
        item
        for item in parameters
        if item.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        and item.name not in first
    ]
    return (
        _Keywords(
            named=frozenset(item.name for item in by_name),
            required=frozenset(item.name for item in by_name if item.default is inspect.Parameter.empty),
            any=any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters),
        ),
        frozenset(first),
    )
