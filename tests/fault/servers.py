"""The control plane itself: its servers stop, restart, forget; connections to it are cut; its definitions change."""

from __future__ import annotations

import asyncio
import copy
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from tests.crds import install
from tests.fault import etcd
from tests.fault.case import Case, Lineup
from tests.fault.paused import paused
from tests.invariants import Tolerance
from tests.stack.meters import ServerMeter

if TYPE_CHECKING:
    from tests.fault.scene import Scene
    from tests.stack.meters import Requests

SESSIONS_CRD = Path(__file__).resolve().parents[2] / "crds" / "agentsessions.greenroom.dev.yaml"
LEASE_SECONDS = 5.0
_ETCD_AWAY_SECONDS = 1.5
_RELIST_SECONDS = _SERVED_SECONDS = 30.0


async def api_server_suspended(scene: Scene) -> None:
    """Its connections stand, and nothing comes; for longer than the operators' lease."""
    stack, pods = scene.stack, sorted(scene.stack.open_pods())
    leaves = await scene.load.begin(finish_seconds=scene.outage_seconds / 4)
    async with paused(stack.plane.api_server.pid):
        looked = await stack.api.look(leaves.call, leaves.session)
        assert looked.status == 200, "reads come from what the API knows"
        await asyncio.sleep(scene.outage_seconds)
    await stack.plane.wait_ready()
    await scene.load.see_through(leaves)
    stayed = stack.journal.at(leaves.session, "left") - stack.journal.at(leaves.session, "joined")
    assert stayed < scene.outage_seconds, "its agent did not wait for the server"
    assert sorted(stack.open_pods()) == pods, "pods were replaced"


async def api_server_restarted(scene: Scene) -> None:
    plane, pods = scene.stack.plane, sorted(scene.stack.open_pods())
    assert await plane.api_server.kill() == -signal.SIGKILL
    await asyncio.sleep(scene.outage_seconds)
    plane.api_server.start()
    await plane.wait_ready()
    assert sorted(scene.stack.open_pods()) == pods, "pods were replaced"


async def etcd_restarted(scene: Scene) -> None:
    plane = scene.stack.plane
    assert await plane.etcd.kill() == -signal.SIGKILL
    await asyncio.sleep(_ETCD_AWAY_SECONDS)
    plane.etcd.start()
    await etcd.until_back(plane)
    await plane.wait_ready()


async def connections_cut(scene: Scene) -> None:
    stack = scene.stack
    programs = len(stack.operators) + len(stack.apis) + len(stack.open_pods())
    assert stack.relay.cut() >= programs, "each program has at least its watches"


async def network_away(scene: Scene) -> None:
    """No new connection either, for longer than the operators' lease."""
    with scene.stack.relay.away():
        await asyncio.sleep(LEASE_SECONDS + 1)


async def versions_forgotten(scene: Scene) -> None:
    """The API server's own watch of etcd breaks, and when it wants to go on from where it was, etcd knows no more of
    that time. It lists anew, ends all watches, and answers 410 to who asks for the versions from before."""
    plane = scene.stack.plane
    programs = len(scene.stack.operators) + len(scene.stack.apis) + len(scene.stack.open_pods())
    meter = ServerMeter(plane.admin)
    before = _lists(await meter.read())
    async with paused(plane.api_server.pid):
        await plane.etcd.kill()
        plane.etcd.start()
        await etcd.until_back(plane)
        await etcd.forget_the_past(plane)
    await plane.wait_ready()
    async with asyncio.timeout(_RELIST_SECONDS):
        while _lists(await meter.read()) - before < programs:
            await asyncio.sleep(0.1)


def _lists(requests: Requests) -> int:
    """Lists of sessions so far. A program makes one at its start, and when its watch cannot go on."""
    return sum(
        count for (verb, resource, _), count in requests.items() if (verb, resource) == ("LIST", "agentsessions")
    )


async def definition_changed(scene: Scene) -> None:
    """A field and a column more, and then as it was: each time the API server sets up the resource anew."""
    before = yaml.safe_load(SESSIONS_CRD.read_text())
    try:
        await install(scene.stack.plane.admin, _with_a_field_more(before))
        await _until_shown(scene, True)
    finally:
        await install(scene.stack.plane.admin, before)
    await _until_shown(scene, False)


def _with_a_field_more(crd: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(crd)
    (version,) = changed["spec"]["versions"]
    version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["fault"] = {"type": "string"}
    version["additionalPrinterColumns"].append({"name": "Fault", "type": "string", "jsonPath": ".status.fault"})
    return changed


async def _until_shown(scene: Scene, shown: bool) -> None:
    """The column is the proof that the new definition is the one that is served."""
    async with asyncio.timeout(_SERVED_SECONDS):
        while ("FAULT" in (await scene.stack.kubectl.run("get", "agentsessions")).out) is not shown:
            await asyncio.sleep(0.1)


LINEUPS = (
    Lineup(
        name="servers",
        cases=(
            Case("etcd: kill -9", "started anew 1.5 s later, with its data", etcd_restarted),
            Case("watches: 410", "etcd restarted and compacted while the API server stands", versions_forgotten),
            Case("definitions: changed", "a field and a column of AgentSession come and go", definition_changed),
        ),
        alone=True,
    ),
    Lineup(
        name="network",
        cases=(
            Case("connections: cut", "all of all programs, watches included, by a reset", connections_cut),
            Case("connections: away", "cut, and no new one for a second longer than the lease", network_away, tries=5),
        ),
        relayed=True,
    ),
    Lineup(
        name="outages",
        cases=(
            Case("API server: suspended", "SIGSTOP for 30 s, then SIGCONT", api_server_suspended, tries=2),
            Case("API server: kill -9", "started anew 30 s later", api_server_restarted, tries=2),
        ),
        tolerance=Tolerance(quiet_seconds=50.0, longest_seconds=60.0),
        alone=True,
    ),
)
