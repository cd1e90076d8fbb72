"""The plugs: what an agent needs of a model, ears, a voice; `greenroom.agent.calls` has those of an edge.

A plugin is one class below with its abstract methods written.
Sound is 16 kHz, 16-bit, mono everywhere (`greenroom.agent.audio`). A component belongs to one agent and one
call: `start` before the call, `close` after it, each once; what is dear to load is shared through
`greenroom.warmup`. Nothing here may block the event loop for more than a millisecond.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from greenroom.agent.tools import Tool, Toolbox
from greenroom.observability import MetricsCollector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from greenroom.agent.conversation import Message, ToolCall
    from greenroom.agent.sight import PictureWish, Seen

AsyncFunction = TypeVar("AsyncFunction", bound="Callable[..., Any]")


class Component:
    """What all parts of an agent have in common."""

    _collector: MetricsCollector | None = None

    @property
    def metrics(self) -> MetricsCollector:
        """Where this part reports; the agent's collector is its parent."""
        if self._collector is None:
            self._collector = MetricsCollector()
        return self._collector

    async def start(self) -> None:
        """Get ready for a call. An error here keeps the agent from joining."""

    async def close(self) -> None:
        """Give back what `start` took. Called once, also when `start` failed or never ran."""


# --- models ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the model's answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """All a model gets to know: it keeps no conversation of its own."""

    instructions: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    pictures: tuple[Seen, ...] = ()
    """What can be seen while the user asks, the oldest first; only for a model that wishes it. Not kept."""


class Model(Component):
    """What all models have in common: functions that they may call."""

    _toolbox: Toolbox | None = None

    picture_wish: PictureWish | None = None
    """What a model that takes pictures wants to see of the call; None: nothing, and no video is asked for."""

    @property
    def toolbox(self) -> Toolbox:
        if self._toolbox is None:
            self._toolbox = Toolbox()
        return self._toolbox

    def register_function(
        self, name: str | None = None, description: str | None = None
    ) -> Callable[[AsyncFunction], AsyncFunction]:
        """Let the model call the decorated async function.

        The schema comes from the type hints, the name and description from the function and its docstring
        where not given. Raises :class:`ValueError` if it is not async or the name is taken.
        """

        def register(function: AsyncFunction) -> AsyncFunction:
            self.toolbox.add(Tool.of(function, name, description))
            return function

        return register


class FunctionSource(Component, ABC):
    """Functions for the model that come from elsewhere, for instance from an MCP server."""

    @property
    @abstractmethod
    def tools(self) -> Sequence[Tool]:
        """What it offers; known once it has started."""


class LLM(Model, ABC):
    """A language model that streams text."""

    @abstractmethod
    def respond(self, request: ModelRequest) -> AsyncIterator[TextDelta | ToolCall | Usage]:
        """The answer as it is made. Function calls are asked for, not carried out: the agent does that and
        asks again with the results. Closing the iterator early must stop the request."""


# --- ears and voice -------------------------------------------------------------------------------------


class VAD(Component, ABC):
    """Voice activity: is that speech? Has state: one per caller."""

    chunk_bytes: int
    """How many bytes of sound one question takes."""

    @abstractmethod
    def speech_probability(self, chunk: bytes) -> float:
        """0 to 1 for the next `chunk_bytes` of the caller's sound. Well under a millisecond."""

    def reset(self) -> None:
        """Forget the sound so far."""


class Utterance(ABC):
    """One turn of the user, being recognised while it is spoken.

    Called by one task; after `finish` or `abandon` it is over.
    """

    @abstractmethod
    async def feed(self, pcm: bytes) -> str | None:
        """The next piece of sound; the text so far if it changed."""

    @abstractmethod
    async def finish(self) -> str:
        """No more sound comes: the final text, "" if nothing was understood."""

    @abstractmethod
    async def abandon(self) -> None:
        """Forget it. May come at any moment, also after a `feed` that was cancelled or raised."""


class STT(Component, ABC):
    """A streaming speech recogniser."""

    @abstractmethod
    def utterance(self) -> Utterance:
        """Begin to listen to one turn."""


class TTS(Component, ABC):
    """A voice."""

    @abstractmethod
    def synthesize(self, text: str) -> AsyncIterator[bytes]:
        """The sound of `text`, mostly one sentence, in pieces as they get ready."""


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The user speaks; `speech_seconds` of it have been heard already."""

    speech_seconds: float


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The user is done: `speech_seconds` from first to last sound, then `silence_seconds`."""

    speech_seconds: float
    silence_seconds: float


class TurnDetection(Component, ABC):
    """Decides when the user's turn begins and ends."""

    @abstractmethod
    def hear(self, probability: float, seconds: float) -> TurnStarted | TurnEnded | None:
        """The next `seconds` of sound are speech with `probability`."""

    def reset(self) -> None:
        """As at the start of a call."""
