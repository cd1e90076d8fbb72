"""The real kubectl, as somebody with a kubeconfig uses it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenroom_core.model import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom_local.control_plane import ControlPlane


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Kubectl:
    plane: ControlPlane
    namespace: str

    async def run(self, *words: str, given: str = "") -> Done:
        process = await asyncio.create_subprocess_exec(
            str(self.plane.binaries.kubectl),
            f"--kubeconfig={self.plane.kubeconfig}",
            f"--namespace={self.namespace}",
            *words,
            # A pipe for nothing would be written to when kubectl has ended already.
            stdin=asyncio.subprocess.PIPE if given else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate(given.encode() if given else None)
        finally:
            if process.returncode is None:  # whoever waited for it has been cancelled
                process.kill()
                await process.wait()
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def ok(self, *words: str, given: str = "") -> str:
        """What it printed; AssertionError when it failed."""
        done = await self.run(*words, given=given)
        assert done.status == 0, f"kubectl {' '.join(words)}: {done.err}"
        return done.out

    async def apply(self, *bodies: Mapping[str, Any]) -> str:
        return await self.ok("apply", "-f", "-", given=manifest(*bodies))


def session(name: str, call_id: str, **spec: Any) -> dict[str, Any]:
    """An AgentSession to apply; `spec` in the object's own words."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "AgentSession",
        "metadata": {"name": name},
        "spec": {"callId": call_id, **spec},
    }


def manifest(*bodies: Mapping[str, Any]) -> str:
    """JSON is YAML."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
