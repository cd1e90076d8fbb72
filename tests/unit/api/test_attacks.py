"""Requests that nobody honest sends, byte by byte over a socket, at the whole application behind a gate.

None gets in, none is a 500, and a change that somebody tried is on record.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.api.auth.test_doorkeeper import ANN, keeper
from tests.unit.api.properties import served
from tests.unit.api.rig import Rig, rig

from greenroom_api.patience import Patience
from greenroom_core.logs import TextFormatter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fastapi import FastAPI

CLOSE = "Host: api\r\nConnection: close\r\n"
AS_ANN = f"Authorization: Bearer {ANN}\r\n"
NO_WAIT = "Prefer: respond-async\r\n"
OPEN = ("/health", "/ready", "/metrics", "/docs", "/openapi.json")

few = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Answer:
    status: int
    head: str
    body: str


@dataclass(frozen=True)
class Door:
    """The application and a way to it that knows nothing of HTTP."""

    port: int
    api: Rig

    def ask(self, request: str | bytes) -> Answer | None:
        """The first answer; None: the connection was closed without one."""
        sent = request if isinstance(request, bytes) else request.encode("latin-1")
        came = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as wire:
            with contextlib.suppress(ConnectionError):
                wire.sendall(sent)
            with contextlib.suppress(ConnectionError):
                while part := wire.recv(65_536):
                    came += part
        if not came:
            return None
        head, _, body = came.decode("latin-1").partition("\r\n\r\n")
        return Answer(int(head.split(" ")[1]), head, body)

    def asked(self, request: str | bytes) -> Answer:
        answer = self.ask(request)
        assert answer is not None, request[:200]
        return answer


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    made: list[Rig] = []

    @contextlib.asynccontextmanager
    async def guarded() -> AsyncIterator[FastAPI]:
        async with rig(keeper()) as api:
            api.app.state.backend_entered = True  # by the rig
            made.append(api)
            yield api.app

    with served(guarded, Patience(head_seconds=0.5, body_seconds=0.5, idle_seconds=1)) as url:
        yield Door(int(url.rpartition(":")[2]), made[0])


def audited(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, int]]:
    lines = [record for record in caplog.records if record.name == "greenroom.audit"]
    return [(line.caller, line.act, line.status) for line in lines]  # type: ignore[attr-defined]


SESSION = "/calls/c1/sessions/s1"
PATHS = [
    "/calls/c1/sessions/../../../sessions",
    "/calls/c1/sessions/%2e%2e/%2e%2e/sessions",
    "/calls/c1/sessions/..%2f..%2f..%2fsessions",
    "/calls/c1%2fsessions",
    "/calls/c1/sessions/s1%2fclose",
    "/calls/c1/sessions/s1%2Fmetrics",
    "/calls/%2e%2e/sessions",
    "/calls/../namespaces/other/sessions",
    "/calls/other%3Ac1/sessions",
    "/calls/c1%00/sessions",
    "/calls/c1/sessions/s1%00",
    "/calls/c1/sessions/%00",
    "/calls/c1%0d%0aX-Injected:%20yes/sessions",
    "/calls/c1/sessions/s1%0d%0aX-Injected:%20yes",
    "/calls/c1/sessions/s1%0aX-Injected:%20yes/close",
    f"/calls/{'c' * 300}/sessions",
    f"/calls/c1/sessions/{'s' * 10_000}",
    "/calls/%C3%A9/sessions",
    "/calls/c1/sessions/%F0%9F%92%A9",
    "/calls/c1/sessions/%ff%fe",
    "/calls/c1/sessions/%E2%80%AEs1",
    "/calls/c1/sessions/%u0041",
    "/calls/c1/sessions/%",
    "/calls/C1/sessions",
    "/CALLS/c1/sessions",
    "//calls/c1/sessions",
    "/calls//c1/sessions",
    "/calls/c1/sessions;admin=true",
    "/calls/c1/sessions#/health",
    "/calls/c1/sessions/s1\\close",
    "/health/../sessions",
    "/docs/..%2f..%2fauth%2fkeys",
    "/docs/%2e%2e%2fapp.py",
    "/openapi.json/../sessions",
    "http://api/sessions",
    "api:443",
    "*",
    "sessions",
    "",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_path_leads_past_the_gate(door: Door, method: str, path: str) -> None:
    answer = door.ask(f"{method} {path} HTTP/1.1\r\n{CLOSE}\r\n")
    assert answer is None or answer.status in (307, 400, 401, 404, 405), answer
    if answer is not None:
        assert not re.search(r"^x-injected", answer.head, re.MULTILINE | re.IGNORECASE)
        assert '"sessions"' not in answer.body
    assert door.api.objects() == []


@pytest.mark.parametrize("path", PATHS)
def test_nor_does_it_make_a_bug_show_for_who_may_look(door: Door, path: str) -> None:
    answer = door.ask(f"GET {path} HTTP/1.1\r\n{AS_ANN}{CLOSE}\r\n")
    assert answer is None or answer.status in (200, 307, 400, 404, 405), answer
    assert answer is None or not re.search(r"^x-injected", answer.head, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize("other", ["other", "default/../other", "other:default", "default%2fother"])
def test_no_name_reaches_another_namespace(door: Door, other: str) -> None:
    """Even for a caller who may do everything: it is never part of what a client says."""
    paths = (
        f"/calls/c1/sessions/{other}",
        f"/namespaces/{other}/calls/c1/sessions",
        f"/sessions?namespace={other}",
        f"/calls/{other}/sessions/s1?namespace=x",
    )
    before = len(door.api.faults.seen)
    for path in paths:
        answer = door.asked(f"GET {path} HTTP/1.1\r\nX-Namespace: {other}\r\n{AS_ANN}{CLOSE}\r\n")
        assert answer.status in (200, 400, 404), path
    asked = [request.path for request in door.api.faults.seen[before:] if "agentsessions" in request.path]
    assert all("/namespaces/default/" in path and ".." not in path for path in asked), asked


@pytest.mark.parametrize(
    "headers",
    [
        "Authorization: Bearer nobody\r\n" + AS_ANN,
        AS_ANN + "Authorization: Bearer nobody\r\n",
        f"Authorization: Bearer {ANN}, Bearer nobody\r\n",
        f"Authorization:\r\n Bearer {ANN}\r\n",
        f"Authorization : Bearer {ANN}\r\n",
        f"Authorization: Bearer\t{ANN}\x00\r\n",
        f"Authorization: Bearer {ANN}\x80\r\n",
        f"Authorization: Basic {ANN}\r\n",
        f"Authorization: Bearer Bearer {ANN}\r\n",
        f"Authorization: {ANN}\r\n",
        f"Proxy-Authorization: Bearer {ANN}\r\n",
        f"X-Forwarded-Authorization: Bearer {ANN}\r\n",
        f"Cookie: Authorization=Bearer {ANN}; token={ANN}\r\n",
        "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\nForwarded: for=127.0.0.1;by=127.0.0.1\r\n",
        "X-Forwarded-User: ann\r\nX-Remote-User: ann\r\nImpersonate-User: system:admin\r\n",
        "X-Forwarded-Prefix: /health\r\nX-Original-URL: /health\r\nX-Rewrite-URL: /health\r\n",
        "X-HTTP-Method-Override: GET\r\nX-HTTP-Method: GET\r\n",
        "Host: localhost\r\n",
        "Connection: Authorization\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n",
        "Expect: something-else\r\n",
        "Range: bytes=0-\r\n",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_header_opens_it(door: Door, method: str, headers: str) -> None:
    answer = door.asked(f"{method} /calls/c1/sessions HTTP/1.1\r\n{headers}{CLOSE}\r\n")
    assert answer.status in (400, 401, 403), answer
    assert ANN not in answer.head + answer.body
    assert door.api.objects() == []


SMUGGLED = "GET /sessions HTTP/1.1\r\nHost: api\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: 4, 4\r\n",
        "Content-Length: 0x4\r\n",
        f"Content-Length: {10**30}\r\n",
    ],
)
def test_where_a_request_ends_is_never_in_doubt(door: Door, framing: str) -> None:
    """What stands behind it is not taken for a second request: a proxy might have taken it for the body."""
    answer = door.asked(f"POST /health HTTP/1.1\r\nHost: api\r\n{framing}\r\n0\r\n\r\n{SMUGGLED}")
    assert answer.status == 400, answer
    assert "HTTP/1.1 " not in answer.body, "one answer"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /sessions\r\n\r\n",
        b"GET /sessions HTTP/9.9\r\n\r\n",
        b"GET  /sessions HTTP/1.1\r\n\r\n",
        b"GET /sessions HTTP/1.1\nHost: api\n\n",
        b"GET /sess\x00ions HTTP/1.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"get /sessions HTTP/1.1\r\n\r\n",
        b"SECRET /sessions HTTP/1.1\r\n\r\n",
        b"CONNECT api:443 HTTP/1.1\r\n\r\n",
        b"TRACE /sessions HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n",
    ],
)
def test_what_is_not_quite_http_is_refused(door: Door, request_bytes: bytes) -> None:
    answer = door.ask(request_bytes)
    assert answer is None or answer.status in (400, 401, 405, 408), answer
    assert answer is None or answer.status != 400 or answer.body == '{"detail":"The request is not HTTP/1.1"}'


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "PROPFIND", "MKCOL", "LOCK"])
@pytest.mark.parametrize("path", ["/sessions", "/calls/c1/sessions", SESSION, f"{SESSION}/close", "/health"])
def test_other_verbs_do_nothing(door: Door, method: str, path: str) -> None:
    before = door.api.objects()
    answer = door.asked(f"{method} {path} HTTP/1.1\r\n{AS_ANN}Origin: https://evil.example\r\n{CLOSE}\r\n")
    assert answer.status == 405, answer
    assert "access-control" not in answer.head.lower()
    assert door.api.objects() == before


def start(body: bytes, headers: str = "", path: str = "/calls/c1/sessions") -> bytes:
    head = f"POST {path} HTTP/1.1\r\n{AS_ANN}{NO_WAIT}{headers}{CLOSE}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


NESTED = b'{"parameters":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001
BODIES: dict[str, tuple[bytes, int, str]] = {
    "deep": (NESTED, 422, "body"),
    "deeper lists": (b"[" * 200_000, 422, "body"),
    "deep, and beside the point": (b'{"unknown":' + b"[" * 50_000 + b"]" * 50_000 + b"}", 422, "body"),
    "large": (b'{"parameters":{"a":"' + b"x" * 300_000 + b'"}}', 413, "262144 bytes"),
    "larger": (b"[" * 5_000_000, 413, "262144 bytes"),
    "cut off": (b'{"parameters":{"a":', 422, "body"),
    "two documents": (b"{}{}", 422, "body"),
    "not UTF-8": (b'{"runtime":"\xff"}', 422, "body"),
    "UTF-16": ('{"runtime":"a"}'.encode("utf-16"), 422, "body"),
    "half a surrogate": (b'{"parameters":{"a":"\\ud800"}}', 422, "body"),
    "no number": (b'{"priority":NaN}', 422, "body"),
    "a number too large": (b'{"priority":1e400}', 422, "body"),
    "an endless integer": (b'{"priority":' + b"9" * 100_000 + b"}", 422, "body"),
    "prototype": (b'{"__proto__":{"admin":true}}', 422, "__proto__"),
    "another namespace": (b'{"namespace":"other"}', 422, "namespace"),
    "a pod's place": (b'{"pod_name":"pod-1"}', 422, "pod_name"),
    "status": (b'{"status":{"phase":"Running"}}', 422, "status"),
    "a path for a name": (b'{"runtime":"../../other"}', 422, "runtime"),
    "a line end in a name": (b'{"runtime":"a\\r\\nX-Injected: yes"}', 422, "runtime"),
    "a null byte": (b'{"runtime":"a\\u0000"}', 422, "runtime"),
    "a label of numbers": (b'{"labels":{"a":1}}', 422, "labels"),
    "a form": (b"runtime=default&priority=5", 422, "body"),
    "XML": (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', 422, "body"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_cannot_be_meant_names_what_is_wrong(
    door: Door, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    body, status, told = BODIES[name]
    with caplog.at_level(logging.INFO):
        answer = door.asked(start(body))
    assert answer.status == status, answer
    assert told in json.dumps(json.loads(answer.body)["detail"])
    assert audited(caplog) == [("ann", "start", status)]
    assert door.api.objects() == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "a\x01b"])
def test_a_body_is_json_whatever_it_is_called(door: Door, kind: str) -> None:
    """What a page of another site may send without being asked for a preflight is judged like all else."""
    answer = door.asked(start(b"runtime=x", f"Content-Type: {kind}\r\n"))
    assert answer.status in (400, 422)
    assert door.api.objects() == []


def test_a_body_is_not_read_for_who_may_not_start(door: Door) -> None:
    endless = b"POST /calls/c1/sessions HTTP/1.1\r\nHost: api\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000
    assert door.asked(endless).status == 401


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=1e9",
        "limit=%00",
        "after=../../etc",
        "after=" + "A" * 600,
        "after=%ff",
        "phase=running",
        "phase[]=Running",
        "runtime=" + "r" * 300,
        "call_id=" + "c" * 300,
        "limit=1&limit=x",
    ],
)
def test_a_query_that_cannot_be_meant_names_what_is_wrong(door: Door, query: str) -> None:
    answer = door.asked(f"GET /sessions?{query} HTTP/1.1\r\n{AS_ANN}{CLOSE}\r\n")
    name = re.split(r"[=\[]", query)[0]
    assert answer.status == 422 or name == "phase", answer
    assert answer.status == 200 or f'"{name}"' in answer.body


def test_what_was_tried_is_on_record_and_forges_no_line(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    tricky = "s1%0acaller=root%20act=start%1b%5b2J"
    with caplog.at_level(logging.INFO):
        door.asked(f"POST /calls/c1/sessions HTTP/1.1\r\n{CLOSE}\r\n")
        door.asked(f"DELETE {SESSION} HTTP/1.1\r\nAuthorization: Bearer forged\r\n{CLOSE}\r\n")
        door.asked(f"POST {SESSION}/close?token=forged-close-token HTTP/1.1\r\n{CLOSE}\r\n")
        door.asked(f"POST /calls/c1/sessions/{tricky}/close?token=x HTTP/1.1\r\n{CLOSE}\r\n")
        door.asked(f"DELETE /calls/c1/sessions/{tricky} HTTP/1.1\r\nAuthorization: Bearer forged\r\n{CLOSE}\r\n")
        door.asked(f"POST /calls/..%0a/sessions HTTP/1.1\r\n{AS_ANN}{CLOSE}\r\n")
    assert audited(caplog) == [
        ("", "start", 401),
        ("", "close", 401),
        ("close-token", "close", 401),
        ("close-token", "close", 401),
        ("", "close", 401),
        ("", "start", 400),
    ]
    for record in caplog.records:
        said = record.getMessage()
        assert said.isprintable(), said
        assert TextFormatter().format(record).isprintable()
        assert "forged-close-token" not in said
        assert ANN not in said


PIECES = st.sampled_from(
    [
        "/",
        "//",
        "calls",
        "c1",
        "sessions",
        "s1",
        "close",
        "health",
        "docs",
        "..",
        "%2e",
        "%2F",
        "%00",
        "%0d%0a",
        "%",
        "?",
        "token=",
        "&",
        "limit=",
        "%ff",
        ";",
        "\\",
        ":",
        "@",
        "#",
        "*",
        "http://",
        "é",
        "{",
        "x" * 300,
    ]
)
TARGETS = st.lists(PIECES, max_size=12).map(lambda parts: "/" + "".join(parts))
METHODS = st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH", "CONNECT", "post", "G ET", ""])
NAMES = st.sampled_from(
    [
        "Authorization",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Expect",
        "Upgrade",
        "Connection",
        "Cookie",
        "X-Forwarded-For",
        "Prefer",
        "Idempotency-Key",
        "Content-Type",
        "Range",
        "Origin",
        "Accept-Encoding",
        " ",
        "",
    ]
)
VALUES = st.one_of(
    st.sampled_from(["Bearer nobody", "Basic YTpi", "chunked", "0", "5", "-1", "close", "upgrade", "websocket", "h2c"]),
    st.text(st.characters(max_codepoint=255), max_size=40),
)


@few
@given(METHODS, TARGETS, st.lists(st.tuples(NAMES, VALUES), max_size=6), st.binary(max_size=200))
def test_nothing_drawn_at_random_gets_in(
    door: Door, method: str, target: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    answer = door.ask(f"{method} {target} HTTP/1.1\r\n{lines}{CLOSE}\r\n".encode("latin-1") + body)
    if answer is not None and 200 <= answer.status < 300:
        assert target.startswith(OPEN), answer
    assert answer is None or answer.status < 500, answer
    assert door.api.objects() == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        "call_type",
        "runtime",
        "parameters",
        "limits",
        "priority",
        "restart_policy",
        "labels",
        "namespace",
        "ttl_seconds_after_finished",
        "max_duration_seconds",
    ]
)
DOCUMENTS = st.dictionaries(FIELDS, JSON, max_size=3) | JSON


@few
@given(DOCUMENTS, DOCUMENTS)
def test_no_body_drawn_at_random_is_a_bug(door: Door, document: Any, more: Any) -> None:
    body = json.dumps(document if not isinstance(document, dict) else document | {"limits": more}).encode()
    answer = door.asked(start(body, path="/calls/fuzz/sessions"))
    assert answer.status in (202, 422, 429), (answer, body)


def test_it_is_still_there(door: Door) -> None:
    assert door.asked(f"GET /health HTTP/1.1\r\n{CLOSE}\r\n").status == 200
