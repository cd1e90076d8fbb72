"""A drain as somebody sees it who looks: figures and condition of the AgentRuntime, and its events."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import NAMESPACE, Stage, stage

from greenroom_core.kube.kinds import PODS
from greenroom_core.kube.patches import annotation_patch
from greenroom_core.model import names

STATUS_EVERY_SECONDS = 5.0


def shown(here: Stage) -> tuple[int, int, str]:
    """Pods on their way out, what they hold, and the state."""
    [runtime] = here.server.objects("agentruntimes")
    status: dict[str, Any] = runtime.get("status", {})
    states = [found["reason"] for found in status.get("conditions", ()) if found["type"] == "Progressing"]
    return status.get("leavingPods", 0), status.get("leavingSessions", 0), "".join(states)


def events(here: Stage, reason: str) -> list[str]:
    return [event["message"] for event in here.server.objects("events") if event["reason"] == reason]


async def closing(here: Stage, pod: str, how: str) -> None:
    if how == "deleted":
        await here.client.delete(PODS, NAMESPACE, pod)
    else:
        await here.client.merge_patch(PODS, NAMESPACE, pod, annotation_patch({names.CORDONED: "yes"}))


@pytest.mark.parametrize("how", ["deleted", "cordoned"])
def test_the_progress_of_a_drain_shows_in_status_and_events(how: str) -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=1, sessionsPerPod=5)
            await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 1)
            [pod] = here.pods
            for number in range(3):
                await here.create_session(f"s{number}", call=f"c{number}")
                await here.until(f"s{number}", lambda s: s.status.joined_at is not None)
            await here.when(lambda: shown(here) == (0, 0, "Complete"))
            written = here.server.answered["operator", "PATCH", "agentruntimes/status", 200]
            begun = here.clock.boot()

            await closing(here, pod, how)

            for left in (3, 2, 1):
                await here.when(lambda left=left: shown(here) == (1, left, "Draining"), 2 * STATUS_EVERY_SECONDS)  # type: ignore[misc]
                await here.close(f"s{left - 1}")
            await here.when(lambda: shown(here)[1:] == (0, "Complete"), 2 * STATUS_EVERY_SECONDS)
            writes = here.server.answered["operator", "PATCH", "agentruntimes/status", 200] - written
            assert 3 <= writes <= (here.clock.boot() - begun) / STATUS_EVERY_SECONDS + 1
            [told] = events(here, "Draining")
            assert told == f"pods on their way out: 1, sessions that they still hold: 3 ({pod} ({how}) 3)"

    run_virtual(story())


def test_a_second_pod_that_leaves_is_told_too() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=2, sessionsPerPod=1)
            await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 2)
            first, second = list(here.pods)
            for name in ("s1", "s2"):
                await here.create_session(name, call=name)
                await here.until(name, lambda s: s.status.joined_at is not None)
            await closing(here, first, "cordoned")
            await here.when(lambda: shown(here) == (1, 1, "Draining"))
            await closing(here, second, "cordoned")
            await here.when(lambda: shown(here) == (2, 2, "Draining"))
            await here.when(lambda: len(events(here, "Draining")) == 2)

    run_virtual(story())
