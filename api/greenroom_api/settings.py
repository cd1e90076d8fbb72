"""Settings of the API program."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from greenroom_core.settings import setting

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The REST API over the sessions of one namespace."""

    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0: all")
    port: int = setting(8000, "port to listen on; 0: any free one", lambda value: 0 <= value <= 65535)
    namespace: str = setting("", "namespace of the sessions; empty: that of the credentials")
    log_level: str = setting("INFO", f"one of {', '.join(LEVELS)}", lambda value: value.upper() in LEVELS)
    log_format: str = setting("text", "text or json", lambda value: value in ("text", "json"))
    kube_requests: int = setting(64, "requests to the Kubernetes API server at one time, 1 or more", lambda v: v >= 1)
    drain_seconds: float = setting(
        0.0, "how long all goes on after SIGTERM, until nobody sends requests here, 0 or more", lambda v: v >= 0
    )
    shutdown_seconds: float = setting(
        20.0, "how long requests under way may still take after that, 0 or more", lambda v: v >= 0
    )
    request_seconds: float = setting(
        20.0, "how long a request's head may take to come, then its body and a second per 10 KiB of it", lambda v: v > 0
    )
    connections: int = setting(2048, "of clients at one time, 1 or more", lambda v: v >= 1)
    talk_page: bool = setting(False, "true: a page at /talk where one speaks with an agent")
    cors_allow_origins: str = setting("", "origins whose pages may ask, between commas; *: all; empty: none")


class AuthMode(StrEnum):
    """Who knows the callers."""

    NONE = "none"
    KUBERNETES = "kubernetes"
    OIDC = "oidc"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Who may ask `greenroom api`. Variables only."""

    auth: AuthMode = setting(AuthMode.NONE, f"one of {', '.join(AuthMode)}")
    auth_kubernetes_audiences: str = setting("", "between commas; empty: the API server's own")
    auth_oidc_issuer: str = setting("", "as the claim iss has it, an https address")
    auth_oidc_audience: str = setting("", "as the claim aud has it")
    auth_oidc_name_claim: str = setting("sub", "claim with the caller's name; a path, as in a.b")
    auth_oidc_permissions_claim: str = setting("scope", "claim with greenroom:start and its like; a path, as in a.b")
    auth_oidc_ca_file: str = setting("", "certificates that the issuer's is signed by; empty: the system's")
    auth_keys_folder: str = setting("", "folder with a file for each caller, as a Secret is mounted")
    close_token_key_file: str = setting(
        "", "file with 32 bytes or more, the same for all replicas; empty: a random key"
    )
    caller_requests_per_second: float = setting(
        0.0, "of one caller at one replica in the long run; 0: any number", lambda value: value >= 0
    )
    caller_burst: int = setting(20, "of one caller at once, where their number is limited; 1 or more", lambda v: v >= 1)


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """The relay that the page at /talk uses where browser and pod cannot reach each other. Variables only: a flag
    would show the password to everybody on the machine."""

    turn_url: str = setting(
        "", "turn:, turns: or stun: addresses, between commas; empty: none", lambda value: _are_relays(value)
    )
    turn_username: str = setting("", "name at the relay")
    turn_credential: str = setting("", "password at the relay")


def _are_relays(value: str) -> bool:
    return not value or all(url.strip().startswith(("turn:", "turns:", "stun:")) for url in value.split(","))
