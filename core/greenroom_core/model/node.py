"""The part of a core/v1 Node that matters here: whether new pods may come to it."""

from __future__ import annotations

from msgspec import field

from greenroom_core.model.meta import Resource, Wire


class NodeSpec(Wire, frozen=True):
    unschedulable: bool = False
    """What `kubectl cordon` and `kubectl drain` set."""


class Node(Resource, frozen=True):
    spec: NodeSpec = field(default_factory=NodeSpec)
