"""What the launcher, the stock and the session processes tell each other: typed messages, each after its length.

Nothing that a session process says is unpickled: its agent's exceptions come as type name and text.
"""

from __future__ import annotations

import struct
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec

from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import ANSWER_MAX_LENGTH, CHECKPOINT_MAX_BYTES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

_LENGTH = struct.Struct(">I")


class _Message(msgspec.Struct, frozen=True, tag=True):
    pass


class Failure(msgspec.Struct, frozen=True):
    """An exception of the agent's code: its type's name and what it says, bounded and without secrets."""

    type_name: str
    text: str


class State(msgspec.Struct, frozen=True):
    """What an agent says of itself. `figures` are its metrics, averages with their weight; None: it cannot say."""

    idle_for: float = 0.0
    on_call_for: float = 0.0
    figures: dict[str, int | dict[str, float]] | None = None


# --- launcher to stock ---


class Logging(msgspec.Struct, frozen=True):
    """As :func:`greenroom_core.logs.set_up` takes it."""

    level: str
    style: str


class Begin(_Message, frozen=True):
    """The first message. `preparation` and `source` are pickled by the launcher, whose code it is."""

    preparation: bytes
    source: bytes
    warm_up: bool
    uvloop: bool
    logging: Logging | None


class Fork(_Message, frozen=True):
    """A session process, please; the end of its socket comes with this message."""


class Kill(_Message, frozen=True):
    """Only the stock can do it safely: until it has reaped a child, that number is nobody else's."""

    pid: int


# --- stock to launcher ---


class Loaded(_Message, frozen=True):
    """It can fork, if `usable`. `failure` is what the agent file, `create_agent` or the warm-up raised."""

    usable: bool
    failure: Failure | None = None


class Forked(_Message, frozen=True):
    """The answer to Fork; `error` instead of a process, if there is none."""

    pid: int
    error: str = ""


class Exited(_Message, frozen=True):
    """`status` as waitpid gives it."""

    pid: int
    status: int


# --- launcher to session process ---


class Assign(_Message, frozen=True):
    """`cargo` is pickled by the launcher: the whole assignment."""

    cargo: bytes
    memory_limit_bytes: int | None
    report_every_seconds: float


class Leave(_Message, frozen=True):
    reason: EndReason
    message: str
    timeout_seconds: float | None


class HostLeaves(_Message, frozen=True):
    """As :meth:`greenroom.lives.Life.host_leaves` takes it."""

    seconds_left: float | None


# --- session process to launcher ---


class Alive(_Message, frozen=True):
    """Its event loop turns. `state` is None before there is an agent."""

    state: State | None


class AgentBuilt(_Message, frozen=True):
    at: datetime
    agent_id: str
    state: State


class AgentAnswered(_Message, frozen=True):
    """Its edge has answered the offer."""

    at: datetime
    answer: Annotated[str, msgspec.Meta(max_length=ANSWER_MAX_LENGTH)]


class AgentJoined(_Message, frozen=True):
    at: datetime
    state: State


class AgentCheckpoint(_Message, frozen=True):
    """What it wants kept: the latest, for not every one is sent."""

    state: Annotated[str, msgspec.Meta(max_length=CHECKPOINT_MAX_BYTES)]


class AgentLeaving(_Message, frozen=True):
    at: datetime
    state: State


class CallOver(_Message, frozen=True):
    """`join_call` returned, raised `failure`, or was cancelled."""

    failure: Failure | None = None
    cancelled: bool = False


class LifeEnded(_Message, frozen=True):
    """`failure` is what the agent's code raised, if that is why."""

    at: datetime
    reason: EndReason
    message: str
    failure: Failure | None
    state: State | None


ToStock = Begin | Fork | Kill
FromStock = Loaded | Forked | Exited
ToSession = Assign | Leave | HostLeaves
FromSession = Alive | AgentBuilt | AgentAnswered | AgentJoined | AgentCheckpoint | AgentLeaving | CallOver | LifeEnded

_encoder = msgspec.msgpack.Encoder()
TO_STOCK: msgspec.msgpack.Decoder[ToStock] = msgspec.msgpack.Decoder(ToStock)
FROM_STOCK: msgspec.msgpack.Decoder[FromStock] = msgspec.msgpack.Decoder(FromStock)
TO_SESSION: msgspec.msgpack.Decoder[ToSession] = msgspec.msgpack.Decoder(ToSession)
FROM_SESSION: msgspec.msgpack.Decoder[FromSession] = msgspec.msgpack.Decoder(FromSession)

M = TypeVar("M")


def framed(message: _Message) -> bytes:
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


async def read(reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[M]) -> M | None:
    """The next message; None when the other side is gone."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return decoder.decode(await reader.readexactly(length))
    except (EOFError, ConnectionError):
        return None


def taken(buffer: bytearray, decoder: msgspec.msgpack.Decoder[M]) -> Iterator[M]:
    """The whole messages at the head of `buffer`, which are removed from it: for who reads without an event loop."""
    while len(buffer) >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(buffer)
        if len(buffer) < _LENGTH.size + length:
            return
        body = bytes(buffer[_LENGTH.size : _LENGTH.size + length])
        del buffer[: _LENGTH.size + length]
        yield decoder.decode(body)
