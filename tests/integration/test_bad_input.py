"""What is wrong is refused with a reason, in the answer or in the status, and harms nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.invariants import events
from tests.stack import FleetPlan, Stack
from tests.stack.kubectl import manifest, session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

IMPATIENT = {"GREENROOM_TEST_START_TIMEOUT_SECONDS": "1.5"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    fleet = FleetPlan(pods=1, slots=8, environment=IMPATIENT)
    async with Stack(control_plane, tmp_path_factory.mktemp("bad"), [fleet]) as stack:
        yield stack


# --- by REST ---


@pytest.mark.parametrize("call_id", ["Call", "a.b", "a%20b", "x" * 256, "caf%C3%A9", "a%0A"])
async def test_bad_call_id(stack: Stack, call_id: str) -> None:
    for method, path in (("POST", ""), ("GET", ""), ("GET", "/some"), ("DELETE", "/some"), ("GET", "/some/metrics")):
        answer = await stack.api.ask(method, f"/calls/{call_id}/sessions{path}")
        assert (answer.status, list(answer.body)) == (400, ["detail"]), (method, path)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"parameter": {}}, "parameter"),
        ({"parameters": []}, "parameters"),
        ({"priority": "high"}, "priority"),
        ({"limits": {"max_duration_seconds": -1}}, "max_duration_seconds"),
        ({"limits": {"unknown": 1}}, "unknown"),
        ({"call_type": ""}, "call_type"),
        ({"restart_policy": "Always"}, "restart_policy"),
        ({"runtime": "No Name"}, "runtime"),
        ([1], "body"),
    ],
)
async def test_bad_body(stack: Stack, body: Any, field: str) -> None:
    answer = await stack.api.ask("POST", "/calls/call-1/sessions", body)
    assert answer.status == 422
    assert field in [str(part) for item in answer.detail for part in item["loc"]]


async def test_runtime_that_does_not_exist(stack: Stack) -> None:
    answer = await stack.api.start("call-1", runtime="absent")
    assert answer.status == 422
    assert "'absent' does not exist" in str(answer.detail)
    assert not [body for body in stack.recorder.sessions() if events.runtime_of(body) == "absent"]


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/metrics"), ("DELETE", ""), ("POST", "/close")])
async def test_unknown_session(stack: Stack, method: str, path: str) -> None:
    answer = await stack.api.ask(method, f"/calls/call-1/sessions/no-such-session{path}")
    assert answer.status == 404
    assert "no-such-session" in answer.detail


async def test_session_of_another_call(stack: Stack) -> None:
    started = await stack.api.start("call-2")
    assert (await stack.api.look("call-3", started.session_id)).status == 404
    assert (await stack.api.close("call-3", started.session_id)).status == 404
    assert (await stack.api.close("call-2", started.session_id)).status == 202


async def test_agent_that_cannot_be_made(stack: Stack) -> None:
    text = "no such voice " + "x" * 5000
    answer = await stack.api.start("call-4", parameters={"build_error": text})
    assert answer.status == 500
    assert list(answer.body) == ["detail"]
    await stack.kubectl.apply(session("broken", "call-4", parameters={"build_error": text}))
    status = await stack.until_ended("broken")
    assert (status["phase"], status["reason"]) == ("Failed", "AgentError")
    assert status["message"].startswith("ValueError: no such voice")
    assert len(status["message"]) <= 1024
    assert "Traceback" not in status["message"]
    (pod,) = stack.open_pods()
    assert "broken" in stack.node.log_file(pod).read_text(), "the log has it, too"
    good = await stack.api.start("call-4")
    assert good.status == 201, "the pod lives on"
    await stack.api.close("call-4", good.session_id)


async def test_agent_that_cannot_join(stack: Stack) -> None:
    await stack.kubectl.apply(session("lost-way", "call-4", parameters={"join_error": "no such call"}))
    status = await stack.until_ended("lost-way")
    assert (status["reason"], status["message"]) == ("AgentError", "RuntimeError: no such call")


async def test_agent_that_is_never_made(stack: Stack) -> None:
    answer = await stack.api.start("call-5", parameters={"hang": True})
    assert answer.status == 500
    assert 1.4 < answer.seconds < 60
    await stack.kubectl.apply(session("hung", "call-5", parameters={"hang": True}))
    status = await stack.until_ended("hung")
    assert (status["phase"], status["reason"]) == ("Failed", "StartTimeout")
    assert "1.5 s" in status["message"]


async def test_parameter_that_nobody_takes(stack: Stack) -> None:
    answer = await stack.api.start("call-6", parameters={"colour": "red"})
    assert answer.status == 422
    assert "colour" in answer.detail
    await stack.kubectl.apply(session("coloured", "call-6", parameters={"colour": "red"}))
    status = await stack.until_ended("coloured")
    assert (status["phase"], status["reason"]) == ("Failed", "InvalidSpec")
    assert "colour" in status["message"]


# --- by kubectl ---


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"callId": "Not A Call"}, "spec.callId"),
        ({"callId": "x" * 256}, "spec.callId"),
        ({"callId": None}, "callId"),
        ({"parameters": "text"}, "spec.parameters"),
        ({"priority": 5_000_000}, "spec.priority"),
        ({"limits": {"startDeadlineSeconds": 0}}, "spec.limits.startDeadlineSeconds"),
        ({"restartPolicy": "Always"}, "spec.restartPolicy"),
        ({"ttlSecondsAfterFinished": -1}, "spec.ttlSecondsAfterFinished"),
    ],
)
async def test_bad_manifest(stack: Stack, spec: dict[str, Any], field: str) -> None:
    body = session("bad", "good-call")
    body["spec"] = {key: value for key, value in {**body["spec"], **spec}.items() if value is not None}
    refused = await stack.kubectl.run("create", "-f", "-", given=manifest(body))
    assert refused.status == 1
    assert field in refused.err


async def test_spec_never_changes(stack: Stack) -> None:
    await stack.kubectl.apply(session("fixed", "call-7"))
    await stack.until_phase("fixed", "Running")
    refused = await stack.kubectl.run(
        "patch", "agentsession", "fixed", "--type=merge", "-p", '{"spec": {"callId": "other"}}'
    )
    assert refused.status == 1
    assert "spec" in refused.err
    await stack.kubectl.ok("delete", "agentsession", "fixed", "--timeout=60s")


async def test_session_for_a_runtime_that_does_not_exist(stack: Stack) -> None:
    await stack.kubectl.apply(session("early", "call-8", runtime="absent", limits={"startDeadlineSeconds": 3}))

    def told(body: Any) -> bool:
        found = events.condition(body, "Scheduled")
        return found is not None and (found["status"], found["reason"]) == ("False", "RuntimeNotFound")

    body = await stack.until("early", told)
    assert "'absent'" in events.condition(body, "Scheduled")["message"]  # type: ignore[index]
    status = await stack.until_ended("early")
    assert (status["phase"], status["reason"]) == ("Failed", "StartDeadline")
    assert "'absent'" in status["message"]
