"""Who gets past the API's door where the cluster is asked: real tokens of a real API server, and forged ones."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.integration.api.test_process import Bench, a_bench
from tests.stack.programs import Launchpad, install_accounts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from greenroom_local.control_plane import ControlPlane

pytestmark = pytest.mark.integration

ALL = ("create", "get", "list", "update")


@asynccontextmanager
async def guarded(plane: ControlPlane, namespace: str, directory: Path, **more: str) -> AsyncIterator[Bench]:
    variables = {"GREENROOM_AUTH": "kubernetes", **more}
    async with a_bench(plane, namespace, directory, lambda pad: pad.api(1, variables=variables)) as bench:
        yield bench


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    await control_plane.ensure_namespace("door")
    async with guarded(control_plane, "door", tmp_path_factory.mktemp("door")) as bench:
        yield bench


async def caller(
    plane: ControlPlane, namespace: str, name: str, verbs: tuple[str, ...], *, resource: str = "agentsessions"
) -> str:
    """A service account that may do that with sessions in its namespace; its token."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    meta = {"name": name}
    await plane.admin.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": meta})
    rules = [{"apiGroups": ["greenroom.dev"], "resources": [resource], "verbs": list(verbs)}]
    await plane.admin.create(f"{rbac}/roles", {"metadata": meta, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    await plane.admin.create(f"{rbac}/rolebindings", {"metadata": meta, "subjects": [subject], "roleRef": reference})
    return await plane.token(namespace, name)


async def status(bench: Bench, method: str, path: str, token: str | None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with bench.http.request(method, path, headers=headers) as answer:
        return answer.status


async def seen(bench: Bench, token: str | None) -> dict[str, int]:
    """What each act on a session that does not exist is answered; 404 means that it was let in."""
    session = "/calls/c/sessions/nothing"
    acts = {
        "view": ("GET", session),
        "metrics": ("GET", f"{session}/metrics"),
        "close": ("DELETE", session),
        "list": ("GET", "/sessions"),
    }
    return {act: await status(bench, *what, token) for act, what in acts.items()}


async def test_each_verb_opens_its_act_and_no_other(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    async with guarded(control_plane, namespace, tmp_path) as bench:
        for name, verbs, resource, opened in (
            ("getter", ("get",), "agentsessions", {"view": 404}),
            ("lister", ("list",), "agentsessions", {"list": 200}),
            ("updater", ("update",), "agentsessions", {"close": 404}),
            ("measurer", ("get",), "agentsessions/metrics", {"metrics": 404}),
            ("watcher", ("watch", "delete", "patch"), "agentsessions", {}),
            ("stranger", ("get", "create", "update"), "agentruntimes", {}),
        ):
            token = await caller(control_plane, namespace, name, verbs, resource=resource)
            closed = dict.fromkeys(("view", "metrics", "close", "list"), 403)
            assert await seen(bench, token) == closed | opened, name
            assert await status(bench, "POST", "/calls/c/sessions", token) == 403, name
        assert len(bench.sessions.store) == 0


async def test_a_caller_starts_sees_and_closes_a_session(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("k" * 40)
    key = {"GREENROOM_CLOSE_TOKEN_KEY_FILE": str(tmp_path / "key")}
    async with guarded(control_plane, namespace, tmp_path, **key) as bench:
        token = await caller(control_plane, namespace, "ann", ALL)
        bench.http.headers["Authorization"] = f"Bearer {token}"
        posting = bench.post("room")
        session = await bench.session_of("room")
        await bench.run(session)
        assert (await posting)[0] == 201
        path = f"/calls/room/sessions/{session.metadata.name}"
        assert await status(bench, "GET", path, token) == 200
        assert await status(bench, "DELETE", path, token) == 202
        closing = f"act=close call=room session={session.metadata.name} status=202"
        await bench.until(lambda: closing in bench.api.log)
        log = bench.api.log
        assert f"caller=system:serviceaccount:{namespace}:ann act=start call=room" in log
        assert token not in log
        assert "k" * 40 not in log


async def test_nobody_else_gets_in(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    async with guarded(control_plane, namespace, tmp_path) as bench:
        good = await caller(control_plane, namespace, "ann", ALL)
        assert (await seen(bench, good))["view"] == 404
        head, body, signature = good.split(".")
        said = json.loads(base64.urlsafe_b64decode(body + "=="))
        stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        kid = jwt.get_unverified_header(good)["kid"]
        other = f"{namespace}-other"
        await control_plane.ensure_namespace(other)
        nobody: dict[str, tuple[str | None, int]] = {
            "no token": (None, 401),
            "another's signature": (jwt.encode(said, stranger, "RS256", headers={"kid": kid}), 401),
            "no signature": (f"{head}.{body}.", 401),
            "a signature of something else": (f"{head}.{_with(said, sub='system:admin')}.{signature}", 401),
            "alg none": (jwt.encode(said, None, "none"), 401),
            "expired": (jwt.encode(said | {"exp": 1}, stranger, "RS256", headers={"kid": kid}), 401),
            "meant for somebody else": (await control_plane.token(namespace, "ann", audiences=["vault"]), 401),
            "rights in another namespace": (await caller(control_plane, other, "bob", ALL), 403),
            "junk": ("x" * 10_000, 401),
        }
        for what, (token, expected) in nobody.items():
            assert set((await seen(bench, token)).values()) == {expected}, what
            assert await status(bench, "POST", "/calls/c/sessions", token) == expected, what
        assert len(bench.sessions.store) == 0


@pytest.mark.parametrize(
    "head",
    [
        "GET /calls/c/sessions/../../../sessions HTTP/1.1",
        "GET //sessions HTTP/1.1",
        "GET /sessions/ HTTP/1.1",
        "GET /health/../sessions HTTP/1.1",
        "GET /calls/c%2fsessions HTTP/1.1",
        "GET /sessions%00 HTTP/1.1",
        "GET http://api/sessions HTTP/1.1",
        "GET /sessions?token=x HTTP/1.1",
        "HEAD /sessions HTTP/1.1",
        "OPTIONS /sessions HTTP/1.1",
        "get /sessions HTTP/1.1",
        "PATCH /calls/c/sessions HTTP/1.1",
        "POST /calls/c/sessions/x/close?token= HTTP/1.1",
        "GET /sessions HTTP/1.1\r\nX-HTTP-Method-Override: POST",
        "GET /health HTTP/1.1\r\nX-Original-URL: /sessions\r\nX-Rewrite-URL: /sessions",
        "POST /calls/c/sessions HTTP/1.1\r\nX-Remote-User: system:admin\r\nImpersonate-User: system:admin",
        "GET /sessions HTTP/1.1\r\nAuthorization: Bearer",
        "GET /sessions HTTP/1.1\r\nAuthorization: Bearer \x00\x01",
        "GET /sessions HTTP/1.1\r\nAuthorization : Bearer x",
        "POST /calls/c/sessions HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4",
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_no_form_of_a_request_gets_past(door: Bench, head: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.api.port)
    writer.write(f"{head}\r\nHost: api\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(20):
        answer = (await reader.read()).decode(errors="replace")
    writer.close()
    code = int(answer.split(" ")[1])
    assert code in (400, 401, 404, 405, 307) or (code == 200 and head.startswith("GET /health HTTP")), answer
    assert '"sessions"' not in answer
    assert len(door.sessions.store) == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_a_head_without_end_is_not_kept(door: Bench) -> None:
    """Some megabytes of headers are refused, and the program lives on."""
    _, writer = await asyncio.open_connection("127.0.0.1", door.api.port)
    writer.write(b"GET /sessions HTTP/1.1\r\nHost: api\r\n")
    with contextlib.suppress(ConnectionError):
        for number in range(200):
            writer.write(f"X-{number}: {'y' * 50_000}\r\n".encode())
            await writer.drain()
        raise AssertionError("ten megabytes were taken")
    writer.close()
    assert await status(door, "GET", "/health", None) == 200


async def test_no_body_is_a_bug_to_a_real_api_server(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    """What gets past our own look at it is the API server's to judge: 422 with its words, never a 500."""
    async with guarded(control_plane, namespace, tmp_path) as bench:
        token = await caller(control_plane, namespace, "ann", ALL)
        headers = {"Authorization": f"Bearer {token}", "Prefer": "respond-async", "Content-Type": "application/json"}
        nested: Any = 1
        for _ in range(300):
            nested = {"a": nested}
        for number, (body, expected) in enumerate(
            (
                ({"parameters": {"": None, "\x00": "\x00", "é💩": [10**30, -1e-300, 2**63]}}, (202, 422)),
                ({"parameters": nested}, (202, 422)),
                ({"parameters": {str(key): key for key in range(10_000)}}, (202, 422)),
                ({"parameters": {"a": "x" * 250_000}}, (202, 422)),
                ({"labels": {"a b": "c"}}, (422,)),
                ({"labels": {"a": "c" * 64}}, (422,)),
                ({"labels": {"greenroom.dev/": ""}}, (422,)),
                ({"labels": {"kubernetes.io/../../x": "y"}}, (422,)),
                ({"call_type": "../../x"}, (202, 422)),
                ({"priority": 2**31}, (422,)),
                ({"priority": -(2**63)}, (422,)),
                ({"limits": {"max_duration_seconds": 1e300}}, (202, 422)),
                ({"limits": {"idle_timeout_seconds": -0.0}}, (202, 422)),
                ({"ttl_seconds_after_finished": 2**40}, (202, 422)),
                ({"runtime": "no-such-runtime"}, (422,)),
            )
        ):
            path = f"/calls/body-{number}/sessions"
            async with bench.http.post(path, data=json.dumps(body), headers=headers) as answer:
                said = await answer.text()
                assert answer.status in expected, (str(body)[:200], answer.status, said[:500])
                assert answer.status == 202 or json.loads(said)["detail"], said


async def test_an_audience_of_its_own(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    variables = {"GREENROOM_AUTH_KUBERNETES_AUDIENCES": "greenroom"}
    async with guarded(control_plane, namespace, tmp_path, **variables) as bench:
        general = await caller(control_plane, namespace, "ann", ALL)
        meant = await control_plane.token(namespace, "ann", audiences=["greenroom"])
        assert (await seen(bench, general))["view"] == 401, "a token that leaks from elsewhere is of no use here"
        assert (await seen(bench, meant))["view"] == 404


async def test_rights_and_accounts_that_are_taken_away_end_within_seconds(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    async with guarded(control_plane, namespace, tmp_path) as bench:
        token = await caller(control_plane, namespace, "ann", ALL)
        assert (await seen(bench, token))["view"] == 404
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        await control_plane.admin.request("DELETE", f"{rbac}/rolebindings/ann")
        await _until(bench, token, 403)
        await control_plane.admin.request("DELETE", f"/api/v1/namespaces/{namespace}/serviceaccounts/ann")
        await _until(bench, token, 401)


async def test_settings_that_cannot_be_meant_end_it_with_a_sentence(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    await install_accounts(control_plane, namespace)
    for number, (variables, words) in enumerate(
        (
            ({"GREENROOM_AUTH": "magic"}, "GREENROOM_AUTH='magic' is not a"),
            ({"GREENROOM_AUTH": "oidc"}, "GREENROOM_AUTH_OIDC_ISSUER must be set"),
            ({"GREENROOM_AUTH": "keys", "GREENROOM_AUTH_KEYS_FOLDER": "/nowhere"}, "'/nowhere' is no folder"),
            ({"GREENROOM_AUTH": "kubernetes", "GREENROOM_CLOSE_TOKEN_KEY_FILE": "/nowhere"}, "cannot be read"),
        )
    ):
        refused = await _last_words(control_plane, namespace, tmp_path / str(number), variables)
        assert words in refused


def _with(said: dict[str, Any], **claims: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(said | claims).encode()).decode().rstrip("=")


async def _until(bench: Bench, token: str, expected: int) -> None:
    async with asyncio.timeout(30):
        while (await seen(bench, token))["view"] != expected:
            await asyncio.sleep(0.2)


async def _last_words(plane: ControlPlane, namespace: str, directory: Path, variables: dict[str, str]) -> str:
    program = await Launchpad(plane, namespace, directory).api(1, variables=variables)
    program.process.start()
    try:
        assert await program.process.wait() == 1
    finally:
        if program.process.running:
            await program.process.kill()
    return program.log
