"""What an agent kept reaches the agent after it, whichever way its pod went; and nobody reads it by REST."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.fakes.apiserver import Faults
from tests.fakes.checkpoints import MemoryCheckpoints
from tests.fakes.virtual_time import run_virtual
from tests.unit.runtime.agents import KeepingAgent
from tests.unit.whole.stage import Stage, stage

from greenroom.checkpoints import Checkpoint
from greenroom_api.app import create_app
from greenroom_api.backend import Started, StartRequest
from greenroom_core.kube.kinds import PODS
from greenroom_core.kube.transport import TransportError
from greenroom_core.model.session import RestartPolicy

if TYPE_CHECKING:
    from greenroom_core.kube.transport import Answer, Request
    from greenroom_core.model.session import AgentSession

NAMESPACE = "default"


async def running(here: Stage, name: str, attempt: int) -> AgentSession:
    return await here.until(name, lambda s: s.status.joined_at is not None and s.status.attempt == attempt)


async def set_up(here: Stage, store: MemoryCheckpoints | None = None) -> None:
    here.agents.make = KeepingAgent
    if store is not None:
        here.launcher_options = {"checkpoints": store}
    here.start_operator()
    await here.create_runtime(replicas=2)
    await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 2)
    here.agents.created.clear()
    here.agents.joined.clear()
    here.agents.agents.clear()


async def delete_pod_of(here: Stage, session: AgentSession) -> None:
    """As `kubectl delete pod`: the pod drains, for a minute on this stage."""
    await here.client.delete(PODS, NAMESPACE, session.status.pod_name or "", grace_period_seconds=90)


def handed_out(here: Stage) -> list[Any]:
    """To each attempt's `join_call`; `create_agent` makes agents for the warm-up of pods, too."""
    return [kwargs.get("checkpoint") for _, _, kwargs in here.agents.joined]


def agents_of(here: Stage, name: str = "s1") -> list[KeepingAgent]:
    """Those of a session's attempts."""
    return [agent for agent in here.agents.agents if agent.id == name]


def test_a_drained_pod_hands_it_to_the_next_by_the_status() -> None:
    async def story() -> None:
        async with stage() as here:
            await set_up(here)
            await here.create_session("s1", restartPolicy="OnPodLoss")
            first = await running(here, "s1", 1)
            agents_of(here)[0].checkpoint({"said": "one"})
            await delete_pod_of(here, first)
            agents_of(here)[0].checkpoint({"said": "two"})
            second = await running(here, "s1", 2)
            assert second.status.pod_name != first.status.pod_name
            assert second.status.checkpoint == Checkpoint(state='{"said":"two"}', attempt=1)

            await delete_pod_of(here, second)
            await running(here, "s1", 3)
            await here.close("s1")
            ended = await here.until("s1", lambda s: s.ended)

            assert handed_out(here) == [None, {"said": "two"}, {"said": "two"}]
            assert ended.status.checkpoint is None
            assert [agent.closes for agent in agents_of(here)] == [1, 1, 1]

    run_virtual(story())


def test_a_killed_pod_loses_no_more_than_five_seconds_where_there_is_a_store() -> None:
    async def story() -> None:
        store = MemoryCheckpoints()
        async with stage() as here:
            await set_up(here, store)
            await here.create_session("s1", restartPolicy="OnPodLoss")
            first = await running(here, "s1", 1)
            for second in range(13):
                agents_of(here)[0].checkpoint({"second": second})
                await here.clock.sleep(1.0)
            await here.kill_pod(first.status.pod_name or "")
            taken_up = await running(here, "s1", 2)
            [nothing, kept] = handed_out(here)
            assert nothing is None
            assert 13 - 5 <= kept["second"] < 13
            assert taken_up.status.checkpoint is None, "nobody wrote it there"
            assert store.held[f"default/{taken_up.metadata.uid}"].attempt == 1
            await here.close("s1")
            await here.until("s1", lambda s: s.ended)
            await here.when(lambda: store.held == {})

    run_virtual(story())


def test_without_a_store_a_killed_pod_takes_it_along() -> None:
    async def story() -> None:
        async with stage() as here:
            await set_up(here)
            await here.create_session("s1", restartPolicy="OnPodLoss")
            first = await running(here, "s1", 1)
            agents_of(here)[0].checkpoint({"said": "one"})
            await here.kill_pod(first.status.pod_name or "")
            await running(here, "s1", 2)
            assert handed_out(here) == [None, None]

    run_virtual(story())


def test_given_back_then_lost_then_given_back_the_latest_always_arrives() -> None:
    async def story() -> None:
        async with stage() as here:
            await set_up(here, MemoryCheckpoints())
            await here.create_session("s1", restartPolicy="OnPodLoss")
            here_now = await running(here, "s1", 1)
            agents_of(here)[-1].checkpoint({"n": 1})
            await delete_pod_of(here, here_now)
            here_now = await running(here, "s1", 2)
            agents_of(here)[-1].checkpoint({"n": 2})
            await here.clock.sleep(1.0)
            await here.kill_pod(here_now.status.pod_name or "")
            here_now = await running(here, "s1", 3)
            assert here_now.status.checkpoint == Checkpoint(state='{"n":1}', attempt=1), "older than the store's"
            await delete_pod_of(here, here_now)
            here_now = await running(here, "s1", 4)
            assert handed_out(here) == [None, {"n": 1}, {"n": 2}, {"n": 2}]
            assert here_now.status.checkpoint == Checkpoint(state='{"n":2}', attempt=2)

    run_virtual(story())


class Flaky(Faults):
    """Of a pod's requests to the API server about one in four goes wrong."""

    def __init__(self, here: Stage, random: Random) -> None:
        self._here = here
        self._random = random

    async def before(self, request: Request) -> Answer | None:
        match self._random.randrange(10):
            case 0:
                raise TransportError("connection reset by peer")
            case 1:
                await self._here.clock.sleep(self._random.uniform(0, 2))
        return None

    async def after(self, request: Request, answer: Answer) -> Answer:
        if self._random.randrange(10) == 0:
            raise TransportError("connection reset by peer")
        return answer


@pytest.mark.parametrize("seed", range(3))
def test_however_its_pods_go_a_count_goes_on(seed: int) -> None:
    """Given back: from the very number. Lost: what was counted in the last five seconds is counted again, no more."""
    random = Random(seed)
    counted, missing, lost = 0, [0], [False]

    async def story() -> None:
        async with stage() as here:

            async def count(agent: KeepingAgent) -> None:
                nonlocal counted
                given = here.agents.joined[-1][2].get("checkpoint", {"n": 0})["n"]
                if here.agents.joined[1:]:
                    missing.append(counted - given)
                counted = given
                agent.join()
                while True:
                    counted += 1
                    agent.checkpoint({"n": counted})
                    await here.clock.sleep(0.5)

            here.agents.call = count  # type: ignore[assignment]
            here.pod_faults = Flaky(here, random)
            await set_up(here, MemoryCheckpoints())
            await here.create_session("s1", restartPolicy="OnPodLoss")
            for attempt in range(1, 7):
                now = await here.until("s1", lambda s: s.status.joined_at is not None)
                await here.clock.sleep(random.uniform(0.0, 20.0))
                lost.append(sum(lost) < 3 and random.randrange(2) == 0)
                if lost[-1]:
                    await here.kill_pod(now.status.pod_name or "")
                else:
                    await delete_pod_of(here, now)
                await here.until("s1", lambda s, pod=now.status.pod_uid: s.status.pod_uid not in (None, pod))  # type: ignore[misc]
                await here.when(lambda most=attempt: len(missing) > most)  # type: ignore[misc]
            await here.close("s1")
            assert (await here.until("s1", lambda s: s.ended)).status.checkpoint is None

    run_virtual(story())
    assert len(missing) == len(lost) == 7
    assert all(gap == 0 for gap, was_lost in zip(missing, lost, strict=True) if not was_lost), (missing, lost)
    assert all(0 <= gap <= 11 for gap in missing), missing


def test_it_is_in_no_answer_by_rest_no_event_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    async def story() -> None:
        async with stage() as here, here.api() as api:
            await set_up(here, MemoryCheckpoints())
            request = StartRequest(call_id="c1", restart_policy=RestartPolicy.ON_POD_LOSS)
            started = await api.start(request)
            assert isinstance(started, Started)
            name = started.session.session_id
            first = await running(here, name, 1)
            agents_of(here, name)[0].checkpoint({"said": "card 4711"})
            await delete_pod_of(here, first)
            second = await running(here, name, 2)
            assert second.status.checkpoint is not None
            transport = httpx.ASGITransport(app=create_app(api))
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                for path in (f"/calls/c1/sessions/{name}", f"/calls/c1/sessions/{name}/metrics", "/sessions"):
                    answer = await client.get(path)
                    assert answer.status_code == 200, answer.text
                    assert name in answer.text
                    assert "4711" not in answer.text
                    assert "checkpoint" not in answer.text
            for event in here.server.objects("events"):
                assert "4711" not in str(event)

    run_virtual(story())
    assert "is given back" in caplog.text or "ended: Drained" in caplog.text
    assert "4711" not in caplog.text
