"""The edge: what is refused before any session is touched, probes, documents, permissions, figures."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

import pytest
from fastapi import Header, HTTPException
from tests.fakes.apiserver import FakeApiServer
from tests.unit.api.rig import Rig, rig, virtual

from greenroom_api import dependencies


@pytest.mark.parametrize("call_id", ["Room", "a b", "a.b", "é", "a" * 256, "a%0a", "*"])
@virtual
async def test_a_bad_call_id_is_400_everywhere(call_id: str) -> None:
    async with rig() as api:
        paths = [
            ("POST", ""),
            ("GET", ""),
            ("GET", "/s"),
            ("DELETE", "/s"),
            ("POST", "/s/close"),
            ("GET", "/s/metrics"),
        ]
        for method, tail in paths:
            answer = await api.http.request(method, f"/calls/{call_id}/sessions{tail}")
            assert answer.status_code == 400, (method, tail)
            assert "call_id" in answer.json()["detail"]
        assert not api.objects()


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{", ["body"]),
        (b'{"call_type": NaN}', ["body"]),
        (b'{"parameters": {"a": Infinity}}', ["body"]),
        (b"\xff", ["body"]),
        (b"[]", ["body"]),
        (b'"x"', ["body"]),
        (b"[" * 100_000, ["body"]),
        (b'{"unknown": 1}', ["body", "unknown"]),
        (b'{"call_type": 5}', ["body", "call_type"]),
        (b'{"call_type": ""}', ["body", "call_type"]),
        (b'{"runtime": "../x"}', ["body", "runtime"]),
        (b'{"runtime": "a\\n"}', ["body", "runtime"]),
        (b'{"parameters": []}', ["body", "parameters"]),
        (b'{"limits": {"max_duration_seconds": 0}}', ["body", "limits", "max_duration_seconds"]),
        (b'{"limits": {"idle_timeout_seconds": "60"}}', ["body", "limits", "idle_timeout_seconds"]),
        (b'{"limits": {"more": 1}}', ["body", "limits", "more"]),
        (b'{"priority": 1.5}', ["body", "priority"]),
        (b'{"priority": true}', ["body", "priority"]),
        (b'{"priority": 99999999999999999999999}', ["body", "priority"]),
        (b'{"restart_policy": "Always"}', ["body", "restart_policy"]),
        (b'{"labels": {"a": 1}}', ["body", "labels", "a"]),
    ],
)
@virtual
async def test_a_bad_body_is_422_and_names_the_field(body: bytes, where: list[str]) -> None:
    async with rig() as api:
        answer = await api.http.post("/calls/room/sessions", content=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"][0]["loc"] == where
        assert "input" not in answer.json()["detail"][0], "values are not echoed"
        assert not api.objects()


@virtual
async def test_a_huge_body_is_413() -> None:
    async with rig() as api:
        body = {"parameters": {"a": "x" * 300_000}}
        assert (await api.http.post("/calls/room/sessions", json=body)).status_code == 413


@pytest.mark.parametrize("body", [b"", b" \n", b"null", b"{}"])
@virtual
async def test_the_body_may_be_absent(body: bytes) -> None:
    async with rig() as api:
        posting = asyncio.create_task(api.http.post("/calls/room/sessions", content=body, timeout=None))
        await api.operator.run_at_once(await api.operator.session_of("room"))
        assert (await posting).status_code == 201


@virtual
async def test_all_fields_reach_the_spec() -> None:
    async with rig() as api:
        body = {
            "call_type": "phone",
            "runtime": "default",
            "parameters": {"deep": {"list": [1, 2.5, None, "é"]}},
            "limits": {"max_duration_seconds": 30, "idle_timeout_seconds": 0, "start_deadline_seconds": 1.5},
            "priority": -5,
            "restart_policy": "OnPodLoss",
            "ttl_seconds_after_finished": 0,
            "labels": {"team": "x"},
        }
        await api.started("room", body)
        stored = api.objects()[0]
        assert stored["metadata"]["labels"] == {"team": "x"}
        assert stored["spec"] == {
            "callId": "room",
            "callType": "phone",
            "runtime": "default",
            "parameters": {"deep": {"list": [1, 2.5, None, "é"]}},
            "limits": {"maxDurationSeconds": 30.0, "idleTimeoutSeconds": 0.0, "startDeadlineSeconds": 1.5},
            "priority": -5,
            "restartPolicy": "OnPodLoss",
            "ttlSecondsAfterFinished": 0,
        }


@virtual
async def test_ready_only_when_the_feeds_are_synced() -> None:
    async with rig() as api:
        assert (await api.http.get("/ready")).status_code == 200
        other = Rig(api.server)
        api.server.stop()
        async with other.backend, other.http:
            answer = await other.http.get("/ready")
            assert (answer.status_code, answer.json()) == (503, {"detail": "Server is not ready to accept requests"})
            assert (await other.http.get("/health")).status_code == 200
            await api.clock.sleep(30)
            assert (await other.http.get("/ready")).status_code == 503
            api.server.start()
            await api.until(lambda: other.backend.ready)
            answer = await other.http.get("/ready")
            assert (answer.status_code, answer.content) == (200, b"")


@virtual
async def test_unknown_paths_and_methods_have_a_detail() -> None:
    async with rig() as api:
        for method, path, status in (("GET", "/nothing", 404), ("PUT", "/calls/room/sessions", 405)):
            answer = await api.http.request(method, path)
            assert answer.status_code == status
            assert answer.json()["detail"]


@virtual
async def test_an_error_of_our_own_is_500_without_its_text() -> None:
    async with rig() as api:

        async def broken(*_: Any) -> None:
            raise RuntimeError("a secret")

        api.backend.get = broken  # type: ignore[method-assign, assignment]
        api.http._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
        answer = await api.http.get("/calls/room/sessions/s")
        assert (answer.status_code, answer.json()) == (500, {"detail": "Internal Server Error"})


PERMISSIONS = [
    (dependencies.can_start_session, "POST", "/calls/room/sessions"),
    (dependencies.can_close_session, "DELETE", "/calls/room/sessions/s"),
    (dependencies.can_close_session, "POST", "/calls/room/sessions/s/close"),
    (dependencies.can_view_session, "GET", "/calls/room/sessions/s"),
    (dependencies.can_view_session, "GET", "/calls/room/sessions"),
    (dependencies.can_view_metrics, "GET", "/calls/room/sessions/s/metrics"),
    (dependencies.can_list_sessions, "GET", "/sessions"),
]


@pytest.mark.parametrize(("permission", "method", "path"), PERMISSIONS)
@virtual
async def test_permissions_can_be_replaced_and_deny_by_exception_or_false(
    permission: Any, method: str, path: str
) -> None:
    async def judge(authorization: Annotated[str | None, Header()] = None) -> bool:
        if authorization is None:
            raise HTTPException(401, "Authorization required")
        return authorization == "good"

    async with rig() as api:
        api.app.dependency_overrides[permission] = judge
        answer = await api.http.request(method, path)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Authorization required"})
        answer = await api.http.request(method, path, headers={"authorization": "bad"})
        assert (answer.status_code, answer.json()) == (403, {"detail": "Permission denied"})
        api.backend.leave()
        answer = await api.http.request(method, path, headers={"authorization": "good"})
        assert answer.status_code not in (401, 403)


@virtual
async def test_a_permission_sees_the_call_id_and_comes_before_the_body() -> None:
    async def judge(call_id: str) -> bool:
        raise HTTPException(403, f"not on {call_id}")

    async with rig() as api:
        api.app.dependency_overrides[dependencies.can_start_session] = judge
        answer = await api.http.post("/calls/room/sessions", content=b"nonsense")
        assert (answer.status_code, answer.json()) == (403, {"detail": "not on room"})


async def test_swagger_brings_its_own_assets() -> None:
    api = Rig(FakeApiServer())  # on real time, since files are read by a thread
    async with api.http:
        page = await api.http.get("/docs")
        assert page.status_code == 200
        links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(links) == 3
        assert "//" not in "".join(links), "nothing from another host"
        for link in links:
            assert (await api.http.get(link)).status_code == 200, link
        assert (await api.http.get("/docs/index.j2")).status_code == 404
        assert "/openapi.json" in page.text


@virtual
async def test_the_openapi_document_tells_every_status_that_a_start_can_have() -> None:
    async with rig() as api:
        document = (await api.http.get("/openapi.json")).json()
        start = document["paths"]["/calls/{call_id}/sessions"]["post"]
        assert set(start["responses"]) == {"201", "202", "400", "403", "409", "413", "422", "429", "500", "503"}
        body = start["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert body["limits"]["properties"]["max_duration_seconds"]["minimum"] == 0
        assert document["openapi"].startswith("3.0")
        assert '"null"' not in (await api.http.get("/openapi.json")).text
        for path in ("/health", "/ready", "/sessions", "/calls/{call_id}/sessions/{session_id}/close"):
            assert path in document["paths"]
        references = set(re.findall(r'"#/components/schemas/(\w+)"', (await api.http.get("/openapi.json")).text))
        assert references <= set(document["components"]["schemas"])


@virtual
async def test_figures_of_the_process_name_routes_and_no_sessions() -> None:
    async with rig() as api:
        name = await api.started("room")
        await api.http.get(f"/calls/room/sessions/{name}")
        await api.http.get("/nothing/at/all")
        text = (await api.http.get("/metrics")).text
        route = "/calls/{call_id}/sessions"
        assert f'greenroom_api_requests_total{{method="POST",route="{route}",status="201"}} 1.0' in text
        assert 'greenroom_api_requests_total{method="GET",route="none",status="404"} 1.0' in text
        assert 'greenroom_api_start_seconds_count{status="201"} 1.0' in text
        assert name not in text
        assert "room" not in re.sub(r"greenroom", "", text)
