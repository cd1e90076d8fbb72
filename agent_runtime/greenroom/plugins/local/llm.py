"""A model made of rules: it finds the function a question is about, calls it, and says what came out.

Streams word by word as a real model does. Knows a greeting, a goodbye, the registered functions and the
rules given to it; what it does not understand it repeats.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenroom.agent import interfaces
from greenroom.agent.conversation import Role, ToolCall
from greenroom.agent.interfaces import TextDelta, Usage
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from greenroom.agent.conversation import Message
    from greenroom.agent.interfaces import ModelRequest
    from greenroom.agent.tools import Tool
    from greenroom_core.clock import Clock

_COMMON_WORDS = frozenset(
    ("get", "set", "the", "a", "an", "of", "for", "in", "at", "on", "to", "by", "is", "current", "and", "or")
)
_OBJECT = re.compile(
    r".*\b(?:in|for|at|of|about|to|from)\s+(?:the\s+)?(?P<object>[\w' ]+?)\s*[?.!]*$", re.IGNORECASE | re.DOTALL
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Rule:
    """If `pattern` (a regular expression, any case) is found in what the user said: call or reply.

    Named groups of the pattern are the arguments of the function `call`, or fill the `{fields}` of `reply`.
    """

    pattern: str
    reply: str | None = None
    call: str | None = None

    def __post_init__(self) -> None:
        if (self.reply is None) == (self.call is None):
            raise ValueError(f"rule {self.pattern!r}: give it either reply or call")
        re.compile(self.pattern)


_DEFAULTS = (
    Rule(r"^(hello|hi|hey|good (morning|afternoon|evening))\b", reply="Hello! How can I help you today?"),
    Rule(r"\b(goodbye|bye|thank you|thanks)\b", reply="You are welcome. Goodbye!"),
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do about one message: words, or a call."""

    words: str = ""
    calls: tuple[ToolCall, ...] = field(default=())


class LLM(interfaces.LLM):
    """The rules: `rules` first, then the functions by the words of their names, then small talk, then echo.

    `token_seconds` is a pause before each word, to play a slower model.
    """

    def __init__(self, rules: Sequence[Rule] = (), *, token_seconds: float = 0.0, clock: Clock | None = None) -> None:
        self._rules = tuple(rules)
        self._token_seconds = token_seconds
        self._clock = clock or SystemClock()

    async def respond(self, request: ModelRequest) -> AsyncIterator[TextDelta | ToolCall | Usage]:
        plan = self._plan(request)
        words = re.findall(r"\S+\s*", plan.words)
        for word in words:
            if self._token_seconds:
                await self._clock.sleep(self._token_seconds)
            yield TextDelta(word)
        for call in plan.calls:
            yield call
        read = sum(len(message.text.split()) for message in request.messages)
        yield Usage(read + len(request.instructions.split()), len(words) + len(plan.calls))

    def _plan(self, request: ModelRequest) -> _Plan:
        last = request.messages[-1] if request.messages else None
        if last is None:
            return _Plan("Hello!")
        if last.role is Role.TOOL:
            return _Plan(_results(request.messages))
        text = last.text.strip()
        return (
            _by_rule(text, self._rules)
            or _by_function(text, request.tools)
            or _by_rule(text, _DEFAULTS)
            or _Plan(f"You said: {text}." if text else "Sorry, I did not catch that.")
        )


def _results(messages: Sequence[Message]) -> str:
    outputs = []
    for message in reversed(messages):
        if message.role is not Role.TOOL:
            break
        outputs.append(message.text)
    return " ".join(reversed(outputs))


def _by_rule(text: str, rules: Sequence[Rule]) -> _Plan | None:
    for rule in rules:
        match = re.search(rule.pattern, text, re.IGNORECASE)
        if match is None:
            continue
        groups = {name: value for name, value in match.groupdict().items() if value is not None}
        if rule.call is not None:
            return _Plan(calls=(_call(rule.call, groups),))
        return _Plan((rule.reply or "").format(**groups))
    return None


def _by_function(text: str, tools: Sequence[Tool]) -> _Plan | None:
    said = set(re.findall(r"[a-z0-9]+", text.lower()))
    for tool in tools:
        about = set(re.findall(r"[a-z0-9]+", tool.name.lower())) - _COMMON_WORDS
        if not about or not about <= said:
            continue
        arguments = _arguments(text, tool.parameters)
        missing = [name for name in tool.parameters.get("required", ()) if name not in arguments]
        if missing:
            return _Plan(f"Which {missing[0].replace('_', ' ')}?")
        return _Plan(calls=(_call(tool.name, arguments),))
    return None


def _arguments(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    numbers = iter(_NUMBER.findall(text))
    spoken_object = _OBJECT.search(text)
    for name, form in schema.get("properties", {}).items():
        if form.get("type") in ("integer", "number"):
            if (number := next(numbers, None)) is not None:
                arguments[name] = number
        elif form.get("type") == "string" and spoken_object is not None:
            arguments[name] = spoken_object["object"].title()
            spoken_object = None
    return arguments


def _call(name: str, arguments: dict[str, Any]) -> ToolCall:
    return ToolCall(str(uuid.uuid4()), name, arguments)
