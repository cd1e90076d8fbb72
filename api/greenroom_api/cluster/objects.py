"""Makes the AgentSession object that a request stands for. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from typing import TYPE_CHECKING

import msgspec

from greenroom_core.model import names
from greenroom_core.model.meta import ObjectMeta
from greenroom_core.model.session import AgentSession, SessionSpec

if TYPE_CHECKING:
    from random import Random

    from greenroom_api.backend import StartRequest
    from greenroom_core.model.runtime import AgentRuntime

REQUEST_HASH = f"{names.GROUP}/request-hash"
"""Annotation: tells one request from another under the same name. Only the API reads it."""

KEPT_SECONDS = 3600
"""How long an ended session that came by REST is kept, unless somebody says otherwise."""

START_DEADLINE_SECONDS = 60.0

_canonical = msgspec.json.Encoder(order="deterministic")


def session_name(request: StartRequest, namespace: str, random: Random) -> str:
    """The name that the request's key stands for; without a key a new one."""
    if request.idempotency_key is None:
        return str(uuid.UUID(int=random.getrandbits(128), version=4))
    path = f"/calls/{request.call_id}/sessions"
    return names.idempotent_session_name(namespace, request.caller, path, request.idempotency_key)


def request_hash(request: StartRequest) -> str:
    """Equal for equal requests, whatever the order of their keys and whether defaults were spelt out."""
    asked = dataclasses.replace(request, idempotency_key=None, caller="", respond_async=False)
    return hashlib.sha256(_canonical.encode(asked)).hexdigest()[:32]


def session_object(request: StartRequest, asked: str, name: str, namespace: str, runtime: AgentRuntime) -> AgentSession:
    """What to create: with its finalizer from the start, so that no deletion ever skips the goodbye. `asked` is
    the request's hash."""
    ttl = request.ttl_seconds_after_finished
    if ttl is None and runtime.spec.session_defaults.ttl_seconds_after_finished is None:
        ttl = KEPT_SECONDS
    return AgentSession(
        api_version=names.API_VERSION,
        kind="AgentSession",
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            labels=dict(request.labels),
            annotations={REQUEST_HASH: asked},
            finalizers=(names.LEAVE_CALL,),
        ),
        spec=_spec(request, ttl),
    )


def made_from(session: AgentSession, asked: str) -> bool:
    """Whether the object was made from a request with that hash."""
    return session.metadata.annotations.get(REQUEST_HASH) == asked


def start_deadline_seconds(request: StartRequest, runtime: AgentRuntime | None) -> float:
    """How long the session may wait for a slot: session, AgentRuntime, built-in."""
    defaults = runtime.spec.session_defaults.limits.start_deadline_seconds if runtime is not None else None
    return request.limits.start_deadline_seconds or defaults or START_DEADLINE_SECONDS


def _spec(request: StartRequest, ttl_seconds: int | None) -> SessionSpec:
    return SessionSpec(
        call_id=request.call_id,
        call_type=request.call_type,
        runtime=request.runtime,
        parameters=dict(request.parameters),
        limits=request.limits,
        priority=request.priority,
        restart_policy=request.restart_policy,
        ttl_seconds_after_finished=ttl_seconds,
    )
