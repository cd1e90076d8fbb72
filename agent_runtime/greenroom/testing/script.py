"""What a scripted model is to say, turn by turn. Pure: which step comes is read off the conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from greenroom.agent.conversation import Message, Role
from greenroom.agent.interfaces import ModelRequest

if TYPE_CHECKING:
    from collections.abc import Mapping


class ScriptError(AssertionError):
    """The script has nothing for what the agent asks."""


@dataclass(frozen=True, slots=True, init=False)
class Call:
    """The model wants the function `name` called with these arguments."""

    name: str
    arguments: Mapping[str, Any]

    def __init__(self, name: str, /, **arguments: Any) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", arguments)


@dataclass(frozen=True, slots=True)
class Pause:
    """The model takes its time."""

    seconds: float


Step: TypeAlias = str | Call | Pause | Exception | Callable[[ModelRequest], str]
Answer: TypeAlias = Step | Sequence[Step]


def requests_of(answer: Answer) -> list[list[Step]]:
    """The steps of one turn by the request that they answer: after its calls the model is asked again."""
    steps = list(answer) if isinstance(answer, Sequence) and not isinstance(answer, str) else [answer]
    requests: list[list[Step]] = [[]]
    called = False
    for step in steps:
        if called and not isinstance(step, Call):
            requests.append([])
        called = isinstance(step, Call)
        requests[-1].append(step)
    return requests


def user_turns(messages: Sequence[Message]) -> int:
    return sum(message.role is Role.USER for message in messages)


def calls_since_user(messages: Sequence[Message]) -> int:
    """How many requests of this turn were answered with calls already."""
    count = 0
    for message in reversed(messages):
        if message.role is Role.USER:
            break
        count += bool(message.tool_calls)
    return count
