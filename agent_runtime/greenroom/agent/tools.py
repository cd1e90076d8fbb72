"""Functions that a model may call: their schemas, their arguments, their limits.

Knows nothing of models. A call that fails is a result the model can read, never an exception.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from greenroom.agent.conversation import ToolCall
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent.tools")

CALL_LIMIT_SECONDS = 30.0
PARALLEL_CALLS = 8
MAX_OUTPUT_CHARACTERS = 60_000


@dataclass(frozen=True, slots=True)
class Tool:
    """One function as a model sees it. `parameters` is a JSON schema of type object.

    `arguments` is what they are read as; None: they go on as they are, and the function checks them itself.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    function: Callable[..., Awaitable[Any]]
    arguments: type[msgspec.Struct] | None

    @classmethod
    def of(cls, function: Callable[..., Awaitable[Any]], name: str | None, description: str | None) -> Tool:
        if not inspect.iscoroutinefunction(function):
            raise ValueError(f"function {function!r}: only async functions can be registered; write `async def`")
        arguments = _arguments(function)
        return cls(
            name=name or function.__name__,
            description=description or inspect.getdoc(function) or "",
            parameters=_schema(arguments),
            function=function,
            arguments=arguments,
        )


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What one call gave: its output, or a sentence for the model on why there is none."""

    call: ToolCall
    output: str
    failed: bool
    duration_seconds: float


class Toolbox:
    """The functions of one model."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}

    @property
    def tools(self) -> tuple[Tool, ...]:
        return tuple(self._tools.values())

    def add(self, tool: Tool) -> None:
        """Raises :class:`ValueError` if the name is taken."""
        if tool.name in self._tools:
            raise ValueError(f"function {tool.name!r} is registered already: give one of them another name")
        self._tools[tool.name] = tool

    async def run(self, calls: Sequence[ToolCall], clock: Clock) -> list[ToolResult]:
        """Run `calls` side by side, equal ones once; the results in the order of the (different) calls."""
        places = asyncio.Semaphore(PARALLEL_CALLS)
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._run_one(call, places, clock)) for call in _different(calls)]
        return [task.result() for task in running]

    async def _run_one(self, call: ToolCall, places: asyncio.Semaphore, clock: Clock) -> ToolResult:
        async with places:
            started = clock.boot()
            output, failed = await self._output(call, clock)
            return ToolResult(call, output[:MAX_OUTPUT_CHARACTERS], failed, clock.boot() - started)

    async def _output(self, call: ToolCall, clock: Clock) -> tuple[str, bool]:
        tool = self._tools.get(call.name)
        if tool is None:
            return f"There is no function {call.name!r}.", True
        try:
            arguments = _read(call, tool)
        except msgspec.ValidationError as error:
            return f"Wrong arguments for {call.name}: {error}", True
        try:
            async with clock.timeout(CALL_LIMIT_SECONDS):
                return _text(await tool.function(**arguments)), False
        except TimeoutError:
            return f"{call.name} did not answer within {CALL_LIMIT_SECONDS:.0f} s.", True
        except Exception as error:
            logger.warning("function %s failed", call.name, exc_info=True)
            return f"{call.name} failed: {type(error).__name__}: {error}", True


def _arguments(function: Callable[..., Any]) -> type[msgspec.Struct]:
    hints = typing.get_type_hints(function)
    fields: list[tuple[str, Any, Any] | tuple[str, Any]] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ValueError(
                f"function {function.__name__!r}, parameter {parameter.name!r}: a model calls by name; "
                "use plain named parameters"
            )
        hint = hints.get(parameter.name, str)
        has_default = parameter.default is not parameter.empty
        fields.append((parameter.name, hint, msgspec.UNSET) if has_default else (parameter.name, hint))
    return msgspec.defstruct(function.__name__, fields, kw_only=True, forbid_unknown_fields=True)


def _schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    own = components.pop(reference["$ref"].rsplit("/", 1)[1])
    own.pop("title", None)
    return {**own, **({"$defs": components} if components else {})}


def _read(call: ToolCall, tool: Tool) -> dict[str, Any]:
    if tool.arguments is None:
        return dict(call.arguments)
    arguments = msgspec.convert(dict(call.arguments), tool.arguments, strict=False)
    given = {name: getattr(arguments, name) for name in arguments.__struct_fields__}
    return {name: value for name, value in given.items() if value is not msgspec.UNSET}


def _different(calls: Sequence[ToolCall]) -> list[ToolCall]:
    seen: dict[tuple[str, str, str], ToolCall] = {}
    for call in calls:
        seen.setdefault((call.id, call.name, repr(sorted(call.arguments.items()))), call)
    return list(seen.values())


def _text(output: Any) -> str:
    return output if isinstance(output, str) else msgspec.json.encode(output, enc_hook=str).decode()
