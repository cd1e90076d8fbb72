"""The resources that programs read and write, with their paths and Python types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from greenroom_core.model import names
from greenroom_core.model.meta import Resource
from greenroom_core.model.node import Node
from greenroom_core.model.pod import Pod
from greenroom_core.model.runtime import AgentRuntime
from greenroom_core.model.session import AgentSession

R = TypeVar("R", bound=Resource)


class Loose(Resource, frozen=True):
    """An object of which only the metadata matters."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """A namespaced or cluster-wide resource: `base` is `/api/v1` or `/apis/<group>/<version>`."""

    base: str
    plural: str
    decoder: msgspec.json.Decoder[R]

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, an object, or its subresource."""
        parts = [self.base]
        if namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


def kind(base: str, plural: str, type_: type[R]) -> Kind[R]:
    return Kind(base, plural, msgspec.json.Decoder(type_))


_OURS = f"/apis/{names.API_VERSION}"

SESSIONS: Kind[AgentSession] = kind(_OURS, "agentsessions", AgentSession)
RUNTIMES: Kind[AgentRuntime] = kind(_OURS, "agentruntimes", AgentRuntime)
PODS: Kind[Pod] = kind("/api/v1", "pods", Pod)
NODES: Kind[Node] = kind("/api/v1", "nodes", Node)
EVENTS: Kind[Loose] = kind("/api/v1", "events", Loose)


def loose(base: str, plural: str) -> Kind[Loose]:
    """A resource that is only created, deleted or counted."""
    return kind(base, plural, Loose)


def encode(value: Any) -> bytes:
    """Wire bytes of a struct or of plain dictionaries."""
    return msgspec.json.encode(value)
