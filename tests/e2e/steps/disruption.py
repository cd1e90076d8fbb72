"""What befalls runtime pods under live calls: rollout, eviction, deletion, cordon, and the loss of a pod."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e import calls, fleet
from tests.e2e.scene import CHART, RELEASE
from tests.stack.kubectl import session

if TYPE_CHECKING:
    from tests.e2e.commands import Done
    from tests.e2e.scene import Scene

_LIVE = 3
_KILL = """
import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    words = open(f"/proc/{pid}/cmdline").read().split("\\0")
    if "runtime" in words and any(word.endswith("voice_agent.py") for word in words):
        os.kill(int(pid), signal.SIGKILL)
        print("killed", pid)
"""


async def rollout(scene: Scene) -> None:
    """helm upgrade with a changed demo: live calls stay where they are, new ones go to the new pod."""
    old = fleet.name(await fleet.until_ready(scene))
    live = await calls.start_several(scene, "rollout", _LIVE)
    changed = {"demo": {"podAnnotations": {"example.com/rollout": "second"}}}
    upgrade = ("upgrade", RELEASE, str(CHART), "--reset-then-reuse-values", "--wait", "--timeout", "300s")
    await scene.helm.with_values(changed, *upgrade, seconds=360)
    new = fleet.name(await fleet.until_ready(scene, other_than=old))
    later = await calls.start(scene, "after-rollout")
    assert later.pod == new, f"a new call went to {later.pod}, the new revision's pod is {new}"
    await calls.assert_untouched(scene, live)
    held = await fleet.pod(scene, old)
    assert held is not None, "the old pod was taken from under its calls"
    assert "deletionTimestamp" not in held["metadata"]
    await calls.close(scene, *live, later)


async def old_revision_left(scene: Scene) -> None:
    """A pod of an older revision leaves by itself after its last call; it counts as busy for a minute longer."""

    async def left() -> bool:
        newest = (await scene.kubectl.get("agentruntime", "default"))["status"]["revision"]
        found = {fleet.name(item): fleet.revision(item) for item in await fleet.pods(scene)}
        assert set(found.values()) == {newest}, f"newest: {newest}, there: {found}"
        return True

    await scene.until(left, "no pod of an older revision is there", seconds=360)


async def eviction(scene: Scene) -> None:
    """As kubectl drain does it: refused with 429 while the pod holds a call, granted after its last one."""
    call = await calls.start(scene, "evicted")
    refused = await _evict(scene, call.pod)
    assert refused.status != 0, "a pod with a live call was evicted"
    assert "disruption budget" in refused.err, refused.err
    assert "TooManyRequests" in refused.err or "429" in refused.err, refused.err
    await calls.assert_untouched(scene, [call])
    await calls.close(scene, call)

    async def granted() -> bool:
        done = await _evict(scene, call.pod)
        assert done.status == 0, done.err
        return True

    await scene.until(granted, f"the eviction of {call.pod} is granted after its last call")
    await fleet.until_gone(scene, call.pod)
    await fleet.until_ready(scene, other_than=call.pod)


async def _evict(scene: Scene, pod: str) -> Done:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    path = f"/api/v1/namespaces/{scene.kubectl.namespace}/pods/{pod}/eviction"
    return await scene.kubectl.run("create", "--raw", path, "-f", "-", given=json.dumps(body))


async def deleted_pod(scene: Scene) -> None:
    """`kubectl delete pod`: its calls go on to their end, new ones go elsewhere, and then it goes."""
    live = await calls.start(scene, "finishing")
    await scene.kubectl.ok("delete", "pod", live.pod, "--wait=false")
    later = await calls.start(scene, "meanwhile")
    assert later.pod != live.pod, "a pod that is leaving was given a call"
    await calls.assert_untouched(scene, [live, later])
    await calls.close(scene, live)
    await fleet.until_gone(scene, live.pod)
    await calls.assert_untouched(scene, [later])
    await calls.close(scene, later)


async def cordon(scene: Scene) -> None:
    """Pods of cordoned nodes take no new call and keep those they have; uncordoned, they serve again."""
    live = await calls.start(scene, "cordoned")
    nodes = [fleet.name(node) for node in await scene.kubectl.items("nodes")]
    door = await scene.door()
    try:
        await scene.kubectl.ok("cordon", *nodes)

        async def refused() -> bool:
            answer = await door.start("refused-by-cordon", limits={"start_deadline_seconds": 2})
            if answer.status == 201:  # the operator has not heard of it yet
                await door.close("refused-by-cordon", answer.session_id)
            assert answer.status == 503, f"{answer.status} {answer.body}"
            return True

        await scene.until(refused, "pods of cordoned nodes take no new call")
        await calls.assert_untouched(scene, [live])
    finally:
        await scene.kubectl.ok("uncordon", *nodes)
    later = await calls.start(scene, "uncordoned")
    await calls.assert_untouched(scene, [live, later])
    await calls.close(scene, live, later)


async def removed_by_force(scene: Scene) -> None:
    """`kubectl delete pod --force`: a session ends with PodLost, or runs again elsewhere if it is to."""
    never, again = (
        await calls.start(scene, "ends", restart_policy="Never"),
        await calls.start(scene, "returns", restart_policy="OnPodLoss"),
    )
    assert never.pod == again.pod
    await scene.kubectl.ok("delete", "pod", never.pod, "--force", "--grace-period=0")
    ended = await calls.until_phase(scene, never.session, "Failed", "Closed")
    assert (ended["phase"], ended["reason"]) == ("Failed", "PodLost"), str(ended)

    async def elsewhere() -> bool:
        seen = await calls.status(scene, again.session)
        assert seen["phase"] == "Running", str(seen)
        assert seen["podName"] != again.pod, str(seen)
        assert (seen["attempt"], seen["lastAttempt"]["reason"]) == (2, "PodLost"), str(seen)
        return True

    await scene.until(elsewhere, "the session runs again in another pod")
    await calls.close(scene, again)


async def killed_process(scene: Scene) -> None:
    """kill -9 of the agent's process: the pod has failed, its session with it, and another pod takes its place."""
    await scene.kubectl.apply(session("crashes", "crashes", runtime=fleet.SECOND))
    seen = await calls.until_phase(scene, "crashes", "Running", "Failed")
    assert seen["phase"] == "Running", str(seen)
    said = await scene.kubectl.ok("exec", seen["podName"], "--", "python", "-c", _KILL)
    assert "killed" in said, "the agent's process was not found in the pod"
    ended = await calls.until_phase(scene, "crashes", "Failed", "Closed")
    assert (ended["phase"], ended["reason"]) == ("Failed", "PodLost"), str(ended)
    await fleet.until_ready(scene, fleet.SECOND, other_than=seen["podName"])
    await scene.kubectl.ok("delete", "ags", "crashes")


async def deleted_runtime(scene: Scene) -> None:
    """A deleted AgentRuntime takes no more calls and goes after its last one."""
    live = await calls.start(scene, "last", runtime=fleet.SECOND)
    await scene.kubectl.ok("delete", "agentruntime", fleet.SECOND, "--wait=false")
    door = await scene.door()
    refused = await door.start("late", runtime=fleet.SECOND, limits={"start_deadline_seconds": 2})
    assert refused.status in (422, 503), f"{refused.status} {refused.body}"
    await calls.assert_untouched(scene, [live])
    await calls.close(scene, live)

    async def gone() -> bool:
        names = [fleet.name(item) for item in await scene.kubectl.items("agentruntimes")]
        left = [fleet.name(item) for item in await fleet.pods(scene, fleet.SECOND)]
        assert fleet.SECOND not in names, str(names)
        assert not left, str(left)
        return True

    await scene.until(gone, "the AgentRuntime and its pods are gone")
