"""The revision of a fleet's pods: a hash of everything in the AgentRuntime that a pod is made from."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom_core.model.runtime import AgentRuntime


def revision(runtime: AgentRuntime) -> str:
    """Ten hexadecimal digits; the same for the same template, slots and drain time."""
    spec = runtime.spec
    made_from = [spec.template, spec.sessions_per_pod, spec.drain_timeout_seconds]
    text = json.dumps(made_from, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]
