"""The bad days of the whole, with launchers in the pods that start and close sessions themselves.

A seed that fails replays exactly. GREENROOM_BAD_DAYS=1000 makes a long run.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fakes.virtual_time import run_virtual
from tests.invariants import Recorder, assert_holds
from tests.unit.whole.stage import NAMESPACE, stage
from tests.unit.whole.test_bad_days import CALLS, SEEDS, TOLERANCE, Day, here_running

from greenroom.errors import RegistryUnavailable, SessionLimitExceeded, StartAbandoned, StartTimedOut
from greenroom_core.model import names

LONGEST_START_SECONDS = 60.0 + 30.0 + 45.0
"""The deadline, what a withdrawal may take, and the answers that both end with."""


class OwnDay(Day):
    """Half of the clients are code in the pods."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.longest_seconds = 0.0

    def _start_by_rest(self, api: Any) -> None:
        running = [name for name in here_running(self.here) if self.here.pods[name].ready]
        if not running or self.random.randrange(2):
            super()._start_by_rest(api)
            return
        launcher = self.here.launchers[self.random.choice(running)]
        task = self.here.start(self._own(launcher, f"c{self.random.randrange(CALLS)}"), "own start")
        self.asked.append(task)
        if self.random.randrange(4) == 0:
            asyncio.get_running_loop().call_later(self.random.uniform(0, 8), task.cancel)

    async def _own(self, launcher: Any, call: str) -> None:
        begun = self.here.clock.boot()
        try:
            session = await launcher.start_session(call)
        except (SessionLimitExceeded, StartAbandoned, StartTimedOut, RegistryUnavailable):
            return
        except RuntimeError as error:
            assert "the pod does not run" in str(error)  # noqa: PT017
            return
        finally:
            self.longest_seconds = max(self.longest_seconds, self.here.clock.boot() - begun)
        assert launcher.get_session(session.id) in (session, None)
        await self.here.clock.sleep(self.random.uniform(0, 60))
        try:
            await self.here.launchers[self.random.choice(sorted(self.here.launchers))].request_close_session(
                call, session.id
            )
        except RegistryUnavailable:
            await launcher.close_session(session.id)
        except RuntimeError as error:
            assert "the pod does not run" in str(error)  # noqa: PT017


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_promise_holds_with_launchers_that_start_sessions_themselves(seed: int) -> None:
    async def story() -> None:
        async with stage() as here:
            recorder = Recorder(here.server.transport("recorder"), NAMESPACE, here.clock)
            here.start(recorder.run(), "recorder")
            await recorder.started.wait()
            day = OwnDay(here, seed)
            here.pod_faults = day.faults
            day.start_operator()
            day.start_operator()
            limits = {"maxSessionsPerCall": 2, "maxConcurrentSessions": 7}
            await here.create_runtime(replicas=2, sessionsPerPod=3, limits=limits)
            async with here.api() as api:
                api._view.client.world.transport.faults = day.faults
                await day.run(api)
                day.faults.bad = False
                here.server.start()
                for transport in here.transports:
                    transport.release()
                await asyncio.wait(day.asked)
            await here.clock.sleep(400)
            for body in here.server.objects("agentsessions"):
                if body["status"]["phase"] not in ("Closed", "Failed"):
                    await here.close(body["metadata"]["name"])
            await here.clock.sleep(60)
            here.check()
            assert_holds(recorder.events, TOLERANCE)
            assert day.longest_seconds < LONGEST_START_SECONDS
            assert all(agent.closes for agent in here.agents.agents), "no agent is left behind"
            mine = {
                event.body["metadata"]["name"]
                for event in recorder.events
                if names.STARTED_BY in (event.body["metadata"].get("labels") or {})
            }
            assert mine, "launchers did start sessions"

    run_virtual(story(), limit_seconds=3_000)
