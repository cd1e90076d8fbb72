"""Sessions as the steps handle them: started by REST, looked at by kubectl."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.e2e.scene import Body, Scene

_PATIENCE = {"start_deadline_seconds": 200}
LIVING = ("Scheduled", "Running")


@dataclass(frozen=True, slots=True)
class Call:
    """A session that runs; `pod` is the one that it began in."""

    call_id: str
    session: str
    pod: str
    close_token: str = ""


async def start(scene: Scene, call_id: str, **body: Any) -> Call:
    """POST through the ingress, which is to answer 201; as it says so, the object is Running."""
    door = await scene.door()
    answer = await door.start(call_id, limits=_PATIENCE, **body)
    assert answer.status == 201, f"POST for {call_id}: {answer.status} {answer.body}"
    seen = await status(scene, answer.session_id)
    assert seen["phase"] == "Running", f"201, and the session is {seen}"
    return Call(call_id, answer.session_id, seen["podName"], answer.headers.get("Greenroom-Close-Token", ""))


async def start_several(scene: Scene, prefix: str, count: int, **body: Any) -> list[Call]:
    return list(await asyncio.gather(*(start(scene, f"{prefix}-{number}", **body) for number in range(count))))


async def status(scene: Scene, session: str) -> Body:
    return dict((await scene.kubectl.get("agentsession", session))["status"])


async def until_phase(scene: Scene, session: str, *phases: str) -> Body:
    """Its status as soon as it is in one of the phases."""

    async def there() -> Body | None:
        seen = await status(scene, session)
        assert seen["phase"] in phases, str(seen)
        return seen

    return await scene.until(there, f"session {session} is {' or '.join(phases)}")


async def assert_untouched(scene: Scene, calls: Iterable[Call]) -> None:
    """Each runs in the pod that it began in, in its first attempt."""
    for call in calls:
        seen = await status(scene, call.session)
        held = (seen["phase"], seen.get("podName"), seen["attempt"])
        assert held == ("Running", call.pod, 1), f"the live call {call.call_id} was cut: {seen}"


async def close(scene: Scene, *calls: Call) -> None:
    """DELETE, until each has ended as its caller wished."""
    door = await scene.door()
    for call in calls:
        answer = await door.close(call.call_id, call.session)
        assert answer.status == 202, f"DELETE of {call.call_id}: {answer.status} {answer.body}"
    for call in calls:
        seen = await until_phase(scene, call.session, "Closed", "Failed")
        assert (seen["phase"], seen["reason"]) == ("Closed", "CloseRequested"), str(seen)
