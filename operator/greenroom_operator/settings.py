"""Settings of the operator."""

from __future__ import annotations

from dataclasses import dataclass

from greenroom_core.settings import setting


@dataclass(frozen=True, slots=True)
class Settings:
    """The Greenroom operator: binds sessions to runtime pods and looks after the pods."""

    namespace: str = setting("", "namespace to look after; empty: the whole cluster")
    watch_nodes: bool = setting(True, "true or false: keep sessions from pods of nodes that are cordoned")
    lease_namespace: str = setting("", "namespace of the leader's Lease; empty: the operator's own")
    lease_name: str = setting("greenroom-operator", "name of the leader's Lease")
    lease_seconds: float = setting(5.0, "how long a Lease holds, 2 to 60 s", lambda value: 2 <= value <= 60)
    requests_limit: int = setting(64, "requests under way at a time, 1 to 512", lambda value: 1 <= value <= 512)
    host: str = setting("0.0.0.0", "address of /health, /ready and /metrics")
    port: int = setting(8081, "port of /health, /ready and /metrics; 0: any free one", lambda value: value >= 0)
    log_level: str = setting("INFO", "DEBUG, INFO, WARNING or ERROR")
    log_format: str = setting("text", "text or json", lambda value: value in ("text", "json"))
