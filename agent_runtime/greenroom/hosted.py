"""An agent as its host sees it: few things, so that any agent framework's object can be hosted."""

from __future__ import annotations

import inspect
import logging
import math
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from greenroom.observability import AgentMetrics
from greenroom.redaction import described
from greenroom_core.clock import SystemClock
from greenroom_core.model.metrics import SessionMetrics
from greenroom_core.model.session import ANSWER_MAX_LENGTH, CHECKPOINT_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger("greenroom.runtime.agent")

_CLOCK = SystemClock()
_CLOSING_CHECK_SECONDS = 0.02
_FIGURES = frozenset(SessionMetrics.__struct_fields__)


class HostedAgent(Protocol):
    """What a host needs of an agent.

    Used when present: `adopt_id(session_id)`, `wait_joined()`, `set_video_track_override_path(path)`,
    `host_leaves(seconds_left, moves)`, which is called when the host begins to leave (`moves`: another goes on),
    `say_goodbye(reason)`, which is awaited before the host ends a call, `on_answer(tell)`, which has `tell` called with
    what the edge answers to an offer, `on_checkpoint(tell)`, which has `tell` called with each checkpoint as a text
    (:mod:`greenroom.checkpoints.form`), and the parts `llm`, `tts`, `stt`, `turn_detection`, `processors`, of which
    those that can be warmed up are.
    """

    @property
    def id(self) -> str: ...

    @property
    def metrics(self) -> Any:
        """An object whose `to_dict()` gives the figures by name."""
        ...

    def idle_for(self) -> float:
        """Seconds alone in the call; 0.0 before it has joined."""
        ...

    def on_call_for(self) -> float:
        """Seconds since the join was complete; 0.0 before and after."""
        ...

    def close(self) -> Awaitable[None]: ...


def adopt(agent: HostedAgent, session_id: str) -> None:
    """Gives the agent the session's name, where it can take one: agents of Vision Agents keep theirs in `_id`."""
    adopt_id = getattr(agent, "adopt_id", None)
    if callable(adopt_id):
        adopt_id(session_id)
    elif getattr(agent, "_id", None) == agent.id:
        agent._id = session_id  # type: ignore[attr-defined]


def show_video_file(agent: HostedAgent, path: str) -> None:
    """Has the agent take its video from a file. Raises TypeError where it cannot."""
    override = getattr(agent, "set_video_track_override_path", None)
    if not callable(override):
        raise TypeError(f"this agent takes no video file ({path}): it has no set_video_track_override_path")
    override(path)


def hear_answer(agent: HostedAgent, session_id: str, tell: Callable[[str], None]) -> None:
    """Has `tell` called with what the agent's edge answers to an offer: at most once, and only with what fits."""
    told = False

    def take(answer: str) -> None:
        nonlocal told
        problem = "it has answered before" if told else _misfit(answer)
        if problem:
            logger.error("session %s: its edge's answer is passed over: %s", session_id, problem)
            return
        told = True
        tell(answer)

    on_answer = getattr(agent, "on_answer", None)
    if callable(on_answer):
        on_answer(take)


def hear_checkpoints(agent: HostedAgent, session_id: str, tell: Callable[[str], None]) -> None:
    """Has `tell` called with what the agent wants kept, each time, and only with what fits."""

    def take(state: str) -> None:
        if isinstance(state, str) and len(state.encode(errors="replace")) <= CHECKPOINT_MAX_BYTES:
            tell(state)
        else:
            logger.error("session %s: a checkpoint is passed over: it is none", session_id)

    on_checkpoint = getattr(agent, "on_checkpoint", None)
    if callable(on_checkpoint):
        on_checkpoint(take)


def _misfit(answer: Any) -> str:
    """Why `answer` can stand in no status; empty: it can."""
    if not isinstance(answer, str):
        return f"it is {type(answer).__name__}, not a text"
    if not answer:
        return "it is empty"
    if len(answer) > ANSWER_MAX_LENGTH:
        return f"it has {len(answer)} characters, at most {ANSWER_MAX_LENGTH} fit"
    return "" if _is_unicode(answer) else "it has half a surrogate pair"


def tell_leaving(agent: HostedAgent, session_id: str, seconds_left: float | None, moves: bool) -> None:
    """Tells an agent that wants to know that its host leaves; the call may go on for so long (None: to its end)."""
    host_leaves = getattr(agent, "host_leaves", None)
    if callable(host_leaves):
        try:
            host_leaves(seconds_left, moves)
        except Exception as error:
            logger.warning("session %s: it could not be told that its host leaves: %s", session_id, described(error))


async def say_goodbye(agent: HostedAgent, reason: str) -> None:
    """Has an agent that can say that it has to go; `reason` is the session's end reason, or Returned."""
    goodbye = getattr(agent, "say_goodbye", None)
    if callable(goodbye):
        await goodbye(reason)


async def close(agent: HostedAgent) -> None:
    """Returns when it has left its call.

    `close()` of Vision Agents returns at once while another of its callers is still closing, and the end of a call
    makes it one: such an agent is not `closed` and says that it is on its call until it has left.
    """
    closing = agent.close()
    if inspect.isawaitable(closing):
        await closing
    while getattr(agent, "closed", True) is False and agent.on_call_for() > 0:
        await _CLOCK.sleep(_CLOSING_CHECK_SECONDS)


def agent_metrics(agent: HostedAgent, session_id: str) -> AgentMetrics | None:
    """The agent's own metrics, or what another framework's agent says of itself; None when it cannot say."""
    try:
        metrics = agent.metrics
        return metrics if isinstance(metrics, AgentMetrics) else AgentMetrics.from_dict(metrics.to_dict())
    except Exception as error:
        logger.warning("session %s: its metrics cannot be read: %s", session_id, described(error))
        return None


def figures(agent: HostedAgent, session_id: str) -> SessionMetrics | None:
    """The agent's metrics as they stand in a status; None when it cannot say."""
    try:
        values: dict[str, Any] = agent.metrics.to_dict()
        known = {name: value for name, value in values.items() if name in _FIGURES and _finite(value)}
        return msgspec.convert(known, SessionMetrics, strict=False)
    except Exception as error:
        logger.warning("session %s: its metrics cannot be read: %s", session_id, described(error))
        return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
