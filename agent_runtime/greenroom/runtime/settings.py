"""What a runtime pod is told by the operator through its environment."""

from __future__ import annotations

from dataclasses import MISSING, dataclass

from greenroom_core.model.names import DEFAULT_PORT, DEFAULT_RUNTIME
from greenroom_core.settings import setting

_LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """Runs the sessions that are bound to this pod."""

    namespace: str = setting(MISSING, "the pod's namespace", bool)
    pod_name: str = setting(MISSING, "the pod's name", bool)
    pod_uid: str = setting(MISSING, "the pod's uid", bool)
    runtime: str = setting(DEFAULT_RUNTIME, "the AgentRuntime that the pod belongs to", bool)
    slots: int = setting(10, "how many sessions the pod takes at once, 1 or more", lambda value: value >= 1)
    drain_timeout_seconds: float = setting(
        3600.0, "how long a leaving pod may finish its calls, 0 or more", lambda value: value >= 0
    )
    start_deadline_seconds: float = setting(
        60.0,
        "how long a start by the pod's own code waits for a slot where it does not say, over 0",
        lambda value: value > 0,
    )
    max_concurrent_sessions: int = setting(0, "the AgentRuntime's limit, 0 for none", lambda value: value >= 0)
    max_sessions_per_call: int = setting(0, "the AgentRuntime's limit, 0 for none", lambda value: value >= 0)
    port: int = setting(DEFAULT_PORT, "port of /health, /ready and /metrics", lambda value: 0 <= value <= 65535)
    host: str = setting("0.0.0.0", "address of /health, /ready and /metrics", bool)
    log_level: str = setting("info", f"one of {', '.join(_LEVELS)}", lambda value: value.lower() in _LEVELS)
    log_format: str = setting("text", "text or json", lambda value: value in ("text", "json"))


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the pod keeps checkpoints. Variables only: an address may hold a password, and settings are logged."""

    checkpoints_url: str = setting("", "redis:// or rediss:// of a Redis or Valkey; empty: what the agent file says")
