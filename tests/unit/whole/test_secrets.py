"""What a template has as a plain value stays in the template and in its pods: no log, event or status repeats it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import Stage, stage

from greenroom_core.kube.kinds import RUNTIMES

if TYPE_CHECKING:
    import pytest

SECRET = "sk-3f7a1c-do-not-repeat"


def template(**container: Any) -> dict[str, Any]:
    """Each place of a pod's template where people put keys, though they should not."""
    env = [{"name": "VENDOR_KEY", "value": SECRET}]
    agent = {"name": "agent", "image": "agent", "env": env, "args": ["runtime", f"--key={SECRET}"], **container}
    return {"metadata": {"annotations": {"example.com/key": SECRET}}, "spec": {"containers": [agent]}}


def test_no_log_event_or_status_has_a_value_of_the_template(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(template=template(), limits={"maxSessionsPerCall": 1})
            await here.create_session("runs")
            await here.until("runs", lambda s: s.status.joined_at is not None)
            await here.create_session("refused")
            await here.until("refused", lambda s: s.ended)
            await here.close("runs")
            await here.until("runs", lambda s: s.ended)
            await a_rollout_that_fails(here)
            told = [json.dumps(item) for item in here.server.objects("events")]
            told += [json.dumps(item["status"]) for item in here.server.objects("agentruntimes")]
            told += [json.dumps(item) for item in here.server.objects("agentsessions")]
            assert len(told) > 4
            assert [text for text in told if SECRET in text] == []
            pods = here.server.objects("pods")
            assert any(SECRET in json.dumps(pod["spec"]) for pod in pods), "where it belongs it is"

    with caplog.at_level(logging.DEBUG, logger="greenroom"):
        run_virtual(story())
    assert len(caplog.records) > 10
    assert [record.getMessage() for record in caplog.records if SECRET in f"{record.getMessage()} {vars(record)}"] == []


async def a_rollout_that_fails(here: Stage) -> None:
    """Templates that no pod can be made of, and one whose pods do not start: messages that quote what is wrong."""
    here.node_refuses = "broken"
    refused: tuple[dict[str, Any], ...] = (
        template(env=[{"name": "VENDOR_KEY", "value": SECRET}, {"value": SECRET}]),
        template(ports=SECRET),
        template(image="broken"),
    )
    for wanted in refused:
        await here.client.merge_patch(RUNTIMES, "default", "default", {"spec": {"template": wanted}})
        await here.clock.sleep(60)
