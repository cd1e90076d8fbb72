"""What every Kubernetes object carries, and the conditions in a status."""

from __future__ import annotations

from datetime import datetime  # msgspec reads annotations at run time
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct, field


class Wire(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """Base of all values that travel: immutable, camelCase outside, unknown fields passed over."""


class OwnerReference(Wire, frozen=True):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(Wire, frozen=True):
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def version(self) -> int:
        """`resourceVersion` as the number that it is: newer is larger, within one resource."""
        return int(self.resource_version or "0")

    @property
    def key(self) -> str:
        """`namespace/name`, as people and logs write it."""
        return f"{self.namespace}/{self.name}"


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Wire, frozen=True, omit_defaults=False, kw_only=True):
    """One condition, as in every Kubernetes status."""

    type: Annotated[str, Meta(max_length=64, description="What it is about.")]
    status: Annotated[ConditionStatus, Meta(description="Whether it holds.")]
    reason: Annotated[
        str,
        Meta(max_length=128, pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", description="Why, in a word."),
    ]
    message: Annotated[str, Meta(max_length=2048, description="Why, in a sentence.")] = ""
    last_transition_time: Annotated[datetime, Meta(description="When its status changed last.")]


Conditions = Annotated[
    tuple[Condition, ...],
    Meta(
        max_length=16,
        extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]


def find(conditions: tuple[Condition, ...], type_: str) -> Condition | None:
    """The condition of that type, or None."""
    return next((condition for condition in conditions if condition.type == type_), None)


def merged(conditions: tuple[Condition, ...], new: Condition) -> tuple[Condition, ...]:
    """`conditions` with `new` in place of the one of its type; an unchanged status keeps its old time."""
    old = find(conditions, new.type)
    if old is not None and old.status == new.status:
        new = Condition(
            type=new.type,
            status=new.status,
            reason=new.reason,
            message=new.message,
            last_transition_time=old.last_transition_time,
        )
    return (*(condition for condition in conditions if condition.type != new.type), new)


class Resource(Wire, frozen=True):
    """Anything with metadata. `api_version` and `kind` are absent in list items."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    api_version: str = ""
    kind: str = ""


def plain(value: object) -> Any:
    """A wire value as JSON-ready dictionaries, lists and strings."""
    from msgspec import to_builtins

    return to_builtins(value)
