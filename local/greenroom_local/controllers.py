"""kube-controller-manager beside a local control plane: evictions, garbage and silent nodes as in a cluster.

It acts on the whole control plane: a node that does not report to it is taken for unreachable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from greenroom_core.clock import SystemClock
from greenroom_local.admin import Admin, AdminError
from greenroom_local.kubeconfig import write_controllers_kubeconfig
from greenroom_local.ports import LOOPBACK, free_ports
from greenroom_local.servers import CONTROLLERS, controller_manager_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from greenroom_core.clock import Clock
    from greenroom_local.control_plane import ControlPlane

_READY_SECONDS = 60.0
_POLL_SECONDS = 0.1
_STOP_SECONDS = 5.0


class ControllersError(Exception):
    """The controller manager does not come up; the message has the end of its log."""


class ControllerManager:
    """``async with ControllerManager(plane, program):``: its controllers are at work inside.

    A node that has not reported for `node_grace_seconds` is unreachable.
    """

    def __init__(
        self,
        plane: ControlPlane,
        program: Path,
        *,
        node_grace_seconds: int = 40,
        controllers: Sequence[str] = CONTROLLERS,
        clock: Clock | None = None,
    ) -> None:
        (port,) = free_ports(1)
        kubeconfig = plane.directory / "controllers.kubeconfig"
        write_controllers_kubeconfig(kubeconfig, plane.server_url, plane.files)
        words = controller_manager_words(
            program, plane.files, kubeconfig, port, node_grace_seconds=node_grace_seconds, controllers=controllers
        )
        self.process = plane.child("kube-controller-manager", words)
        self._admin = Admin(f"https://{LOOPBACK}:{port}", plane.files)
        self._clock: Clock = clock or SystemClock()

    async def __aenter__(self) -> Self:
        self.process.start()
        try:
            await self._until_ready()
        except BaseException:
            await self.process.stop(_STOP_SECONDS)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.process.stop(_STOP_SECONDS)

    async def _until_ready(self) -> None:
        try:
            async with self._clock.timeout(_READY_SECONDS):
                while self.process.running and not await self._healthy():
                    await self._clock.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise ControllersError(self._complaint(f"was not healthy after {_READY_SECONDS:.0f} s")) from None
        if not self.process.running:
            raise ControllersError(self._complaint(f"ended with exit status {self.process.exit_code}"))

    async def _healthy(self) -> bool:
        try:
            await self._admin.request("GET", "/healthz")
        except AdminError:
            return False
        return True

    def _complaint(self, what: str) -> str:
        command = self.process.command
        return f"{command.name} {what}; its log {command.log_file} ends:\n{self.process.last_lines()}"
