"""`python -m tests.bench.admission`: what the admission policies cost a runtime pod's write.

Two namespaces of one control plane, one under the policies; a pod's token writes a session's status in each, twenty
writes in turn, so that both see the same machine.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import yaml
from tests.bench.figures import Spread
from tests.contract.door import pod, real_transport, session
from tests.crds import install
from tests.stack.fleet import RUNTIME_ACCOUNT
from tests.stack.policies import put_under_policies
from tests.stack.programs import install_accounts

from greenroom_core.clock import SystemClock
from greenroom_core.kube.client import KubeClient
from greenroom_core.kube.kinds import PODS, SESSIONS
from greenroom_core.world import World
from greenroom_local.binaries import find_binaries
from greenroom_local.control_plane import BoundPod, ControlPlane

if TYPE_CHECKING:
    from greenroom_core.model.session import AgentSession

CRDS = Path(__file__).resolve().parents[2] / "crds"
TURNS, WRITES = 25, 20


@dataclass
class Side:
    """A namespace with one session that a pod holds; `seconds` are those of the pod's writes."""

    plane: ControlPlane
    namespace: str
    opened: AsyncExitStack
    seconds: list[float] = field(default_factory=list)

    async def open(self) -> None:
        await self.plane.ensure_namespace(self.namespace)
        await install_accounts(self.plane, self.namespace)
        admin = await self._client(None)
        body = pod("pod", node="node-1")
        body["spec"]["serviceAccountName"] = RUNTIME_ACCOUNT
        made = await admin.create(PODS, self.namespace, body)
        bound = BoundPod("pod", made.metadata.uid)
        self.pod = await self._client(await self.plane.token(self.namespace, RUNTIME_ACCOUNT, bound_pod=bound))
        await admin.create(SESSIONS, self.namespace, session("held"))
        status = {"podName": "pod", "podUID": made.metadata.uid, "phase": "Running", "attempt": 1}
        await admin.merge_patch(SESSIONS, self.namespace, "held", {"status": status}, subresource="status")

    async def put_under_policies(self) -> None:
        await put_under_policies(self.plane, self.namespace)

    async def turn(self) -> None:
        for number in range(WRITES):
            begun = time.monotonic()
            await self._write("held", number)
            self.seconds.append(time.monotonic() - begun)

    async def _write(self, name: str, number: int) -> AgentSession:
        patch = {"status": {"metrics": {"turnsTotal": number}, "message": f"{number}"}}
        return await self.pod.merge_patch(SESSIONS, self.namespace, name, patch, subresource="status")

    async def _client(self, token: str | None) -> KubeClient:
        transport = await self.opened.enter_async_context(real_transport(self.plane, token))
        return KubeClient(World(SystemClock(), Random(1), transport))


async def measured() -> tuple[Side, Side]:
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        async with (
            ControlPlane(find_binaries(), Path(folder), unsafe_no_fsync=True) as plane,
            AsyncExitStack() as opened,
        ):
            for path in sorted(CRDS.glob("*.yaml")):
                await install(plane.admin, yaml.safe_load(path.read_text()))
            free, judged = Side(plane, "free", opened), Side(plane, "judged", opened)
            for side in (free, judged):
                await side.open()
            await judged.put_under_policies()
            for side in (free, judged):  # the first ones set up what all others have
                await side.turn()
                side.seconds.clear()
            for _ in range(TURNS):
                await free.turn()
                await judged.turn()
            return free, judged


def main() -> None:
    free, judged = (Spread.of(side.seconds) for side in asyncio.run(measured()))
    for name, spread in (("without policies", free), ("under policies", judged)):
        print(f"{name:18} {spread.count} writes, p50 {spread.p50:.2f} ms, p95 {spread.p95:.2f} ms")
    print(f"a write costs {judged.p50 - free.p50:.2f} ms more, {judged.p50 / free.p50:.2f} times")


if __name__ == "__main__":
    main()
