"""Operator and API, killed, restarted and upgraded while calls live and clients ask."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
from tests.e2e import calls, fleet
from tests.e2e.scene import CHART, RELEASE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.e2e.door import Door
    from tests.e2e.scene import Scene
    from tests.stack.rest import Answer

_LIVE = 2
_API = "app.kubernetes.io/component=api"
_OPERATOR = "app.kubernetes.io/component=operator"
_LOOK_SECONDS = 0.1
_START_SECONDS = 1.0
_AWAY_SECONDS = 240.0


@dataclass
class Trickle:
    """Callers who look and start at a steady pace, and what they were answered."""

    scene: Scene
    counted: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Trickle]:
        """Both run from before the body until after it; none is cut off in the middle of a request."""
        ending = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look(ending))
            group.create_task(self._start(ending))
            try:
                yield self
            finally:
                ending.set()

    async def _look(self, ending: asyncio.Event) -> None:
        door = await self.scene.door("looker")
        while not await _over(ending, _LOOK_SECONDS):
            await self._ask(door, "GET", "/sessions?limit=1", 200)

    async def _start(self, ending: asyncio.Event) -> None:
        door = await self.scene.door()
        number = 0
        while not await _over(ending, _START_SECONDS):
            number += 1
            path = f"/calls/trickle-{number}/sessions"
            body = {"limits": {"start_deadline_seconds": 60}}
            started = await self._ask(door, "POST", path, 201, body)
            if started:
                await self._ask(door, "DELETE", f"{path}/{started}", 202)

    async def _ask(self, door: Door, method: str, path: str, expected: int, body: object = None) -> str:
        self.counted[method] += 1
        try:
            answer = await _answer(door, method, path, body)
        except (aiohttp.ClientError, TimeoutError) as error:
            self.lost.append(f"{method} {path}: {error!r}")
            return ""
        if answer.status != expected:
            self.lost.append(f"{method} {path}: {answer.status} {answer.body}")
            return ""
        return str(answer.body["session_id"]) if method == "POST" else ""

    def told(self) -> str:
        return ", ".join(f"{count} {method}" for method, count in sorted(self.counted.items()))


async def _answer(door: Door, method: str, path: str, body: object) -> Answer:
    """Whoever cannot connect tries again: it is the ingress controller that is away then, and nothing has been sent."""
    async with asyncio.timeout(_AWAY_SECONDS):
        while True:
            try:
                return await door.ask(method, path, body)
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(_LOOK_SECONDS)


async def _over(ending: asyncio.Event, seconds: float) -> bool:
    """Whether it is time to stop, after at most that long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ending.wait()
    return ending.is_set()


async def both_replicas(scene: Scene) -> None:
    """The ingress spreads callers over both replicas: each has audit lines of them."""
    pods = [item for item in await scene.kubectl.items("pods", "-l", _API) if fleet.ready(item)]
    assert len(pods) == 2, str([fleet.name(item) for item in pods])
    door = await scene.door("looker")

    async def heard() -> bool:
        refused = await door.start("audited")
        assert refused.status == 403
        for item in pods:
            log = await scene.kubectl.ok("logs", fleet.name(item))
            lines = [line for line in log.splitlines() if "call=audited" in line and "status=403" in line]
            assert lines, f"{fleet.name(item)} has heard of nobody"
            assert "looker" in lines[0], lines[0]
        return True

    await scene.until(heard, "both replicas have answered")


async def operator_killed(scene: Scene) -> None:
    """The leader's pod is removed by force: live calls stay, and every start is answered."""
    live = await calls.start_several(scene, "leaderless", _LIVE)
    lease = await scene.kubectl.items("leases.coordination.k8s.io")
    holders = [item["spec"]["holderIdentity"] for item in lease]
    pods = [fleet.name(item) for item in await scene.kubectl.items("pods", "-l", _OPERATOR)]
    leaders = [pod for pod in pods if any(pod in holder for holder in holders)]
    assert len(leaders) == 1, f"pods {pods}, holders {holders}"
    async with Trickle(scene).running() as trickle:
        await scene.kubectl.ok("delete", "pod", leaders[0], "--force", "--grace-period=0")
        for number in range(3):
            await calls.close(scene, await calls.start(scene, f"next-leader-{number}"))
        await scene.kubectl.ok("rollout", "status", "deployment/greenroom-operator", "--timeout=240s", seconds=270)
    assert not trickle.lost, f"of {trickle.told()}: {trickle.lost}"
    await calls.assert_untouched(scene, live)
    await calls.close(scene, *live)


async def api_restarted(scene: Scene) -> None:
    """`kubectl rollout restart` of the API under a steady trickle: no request is lost, no call cut."""
    live = await calls.start_several(scene, "restart", _LIVE)
    async with Trickle(scene).running() as trickle:
        await scene.kubectl.ok("rollout", "restart", "deployment/greenroom-api")
        await scene.kubectl.ok("rollout", "status", "deployment/greenroom-api", "--timeout=300s", seconds=330)

        async def left() -> bool:
            pods = await scene.kubectl.items("pods", "-l", _API)
            assert len(pods) == 2, str([fleet.name(item) for item in pods])
            return True

        await scene.until(left, "the replicas of before have left")
    assert trickle.counted["GET"] > 20, trickle.told()
    assert trickle.counted["POST"] > 3, trickle.told()
    assert not trickle.lost, f"of {trickle.told()}: {trickle.lost}"
    scene.figures.add("requests while the API restarted, none lost", str(trickle.counted.total()))
    await calls.assert_untouched(scene, live)
    await calls.close(scene, *live)


async def upgraded(scene: Scene) -> None:
    """The documented upgrade: older CRDs are brought up to the chart's, then helm upgrades; live calls stay."""
    live = await calls.start_several(scene, "upgrade", _LIVE)
    crd = "customresourcedefinition/agentsessions.greenroom.dev"
    columns = "/spec/versions/0/additionalPrinterColumns"
    older = json.dumps([{"op": "remove", "path": columns}])
    await scene.kubectl.ok("patch", crd, "--type=json", "-p", older)
    assert (await scene.kubectl.ok("get", "ags")).split()[:2] == ["NAME", "AGE"]
    crds = await scene.helm.ok("show", "crds", str(CHART))
    await scene.kubectl.ok("apply", "--server-side", "--force-conflicts", "-f", "-", given=crds)
    async with Trickle(scene).running() as trickle:
        upgrade = ("upgrade", RELEASE, str(CHART), "--reset-then-reuse-values", "--wait", "--timeout", "300s")
        changed = {"operator": {"logLevel": "DEBUG"}, "api": {"logLevel": "DEBUG"}}
        await scene.helm.with_values(changed, *upgrade, seconds=360)

        async def columned() -> bool:
            header = (await scene.kubectl.ok("get", "ags")).splitlines()[0].split()
            assert "CALL" in header, str(header)
            return True

        await scene.until(columned, "the CRD's columns are the chart's again")
    assert not trickle.lost, f"of {trickle.told()}: {trickle.lost}"
    await calls.assert_untouched(scene, live)
    await calls.close(scene, *live)
