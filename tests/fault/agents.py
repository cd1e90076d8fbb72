"""The agents' own story, from their journal: who was in which call, from when to when."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.stack.journal import Line


@dataclass(slots=True)
class Agent:
    """One agent of one attempt. Times are the monotonic clock's; None: it never said so."""

    session: str
    pod: str
    process: int
    built_at: float
    joined_at: float | None = None
    left_at: float | None = None


def agents(lines: Sequence[Line]) -> list[Agent]:
    found: list[Agent] = []
    for line in sorted(lines, key=lambda line: line.at):
        if line.event == "built":
            found.append(Agent(line.session, line.pod, line.process, line.at))
            continue
        agent = next(a for a in reversed(found) if (a.session, a.process) == (line.session, line.process))
        if line.event == "joined":
            agent.joined_at = line.at
        else:
            agent.left_at = line.at
    return found


def overlaps(found: Sequence[Agent], killed_at: Mapping[str, float]) -> Iterator[Agent]:
    """Agents that were built while another one of their session was alive. One that cannot say that it left is alive
    until its pod is killed."""
    by_session: dict[str, list[Agent]] = defaultdict(list)
    for agent in found:
        earlier = by_session[agent.session]
        if any(_end(other, killed_at) > agent.built_at for other in earlier):
            yield agent
        earlier.append(agent)


def _end(agent: Agent, killed_at: Mapping[str, float]) -> float:
    if agent.left_at is not None:
        return agent.left_at
    return killed_at.get(agent.pod, float("inf"))
