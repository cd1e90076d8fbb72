"""Stream's API over HTTP and its websocket, as far as an agent needs it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web
from getstream import models
from tests.fakes.stream.neutral import neutral
from tests.fakes.stream.tokens import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.fakes.stream.faults import Faults
    from tests.fakes.stream.room import Room
    from tests.fakes.stream.tokens import Credentials


MAX_EVENT_BYTES = 5 * 1024
_MOMENT = "2026-01-01T00:00:00Z"


class Coordinator:
    """Users, calls and who gets a place at the SFU."""

    def __init__(
        self, credentials: Credentials, faults: Faults, room: Callable[[str], Room], sfu_address: Callable[[], str]
    ) -> None:
        self._credentials = credentials
        self._faults = faults
        self._room = room
        self._sfu_address = sfu_address
        self._lines: dict[str, tuple[str, web.WebSocketResponse]] = {}
        self.users: dict[str, dict[str, Any]] = {}
        self.creators: dict[str, str | None] = {}
        """Who made each call, by cid."""
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        """Events that users sent to calls: cid, user, data."""
        self.requests: list[str] = []
        """Every request over HTTP: `POST /api/v2/users`."""

    def routes(self) -> list[web.RouteDef]:
        call = "/api/v2/video/call/{type}/{id}"
        return [
            web.get("/", self._websocket),
            web.post("/api/v2/users", self._guarded(self._update_users)),
            web.post(call, self._guarded(self._get_or_create)),
            web.post(f"{call}/join", self._guarded(self._join)),
            web.post(f"{call}/event", self._guarded(self._event)),
            web.post("/api/v2/chat/channels/{type}/{id}/query", self._guarded(self._channel)),
        ]

    def _guarded(
        self, handle: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            self.requests.append(f"{request.method} {request.path}")
            faults = self._faults
            await request.read()
            await asyncio.sleep(faults.delay_seconds)
            if faults.cut_requests:
                faults.cut_requests -= 1
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            if faults.garble_requests:
                faults.garble_requests -= 1
                return web.Response(text="<html>no JSON</html>", content_type="text/html")
            if faults.refuse_requests:
                faults.refuse_requests -= 1
                return refusal(faults.refuse_status, -1, "not now", faults.retry_after_seconds)
            try:
                self._credentials.check(request.query.get("api_key"), request.headers.get("Authorization"))
            except Refused as refused:
                return refusal(401, refused.code, str(refused))
            return await handle(request)

        return guarded

    async def _update_users(self, request: web.Request) -> web.Response:
        users = (await request.json())["users"]
        self.users.update(users)
        answers = {user: neutral(models.FullUserResponse, id=user, role="user") for user in users}
        return web.json_response({"duration": "1ms", "membership_deletion_task_id": "", "users": answers}, status=201)

    async def _get_or_create(self, request: web.Request) -> web.Response:
        cid = f"{request.match_info['type']}:{request.match_info['id']}"
        data = (await request.json()).get("data") or {}
        creator = data.get("created_by_id")
        created = cid not in self.creators
        if created and creator not in self.users:
            return refusal(400, 4, "GetOrCreateCall failed with error: created_by_id is required and must exist")
        self.creators.setdefault(cid, creator)
        call = neutral(models.CallResponse, cid=cid, **request.match_info)
        return web.json_response(
            neutral(models.GetOrCreateCallResponse, call=call, created=created, duration="1ms"), status=201
        )

    async def _event(self, request: web.Request) -> web.Response:
        cid = f"{request.match_info['type']}:{request.match_info['id']}"
        body = await request.json()
        if cid not in self.creators:
            return refusal(404, 16, "SendCallEvent failed with error: call does not exist")
        if body.get("user_id") not in self.users:
            return refusal(400, 4, "SendCallEvent failed with error: user_id is required and must exist")
        if len(json.dumps(body["custom"])) > MAX_EVENT_BYTES:
            return refusal(400, 4, "SendCallEvent failed with error: custom data is too large")
        self.events.append((cid, body["user_id"], body["custom"]))
        return web.json_response(neutral(models.SendCallEventResponse, duration="1ms"), status=201)

    async def _channel(self, request: web.Request) -> web.Response:
        return web.json_response(neutral(models.ChannelStateResponse, duration="1ms"), status=201)

    async def _join(self, request: web.Request) -> web.Response:
        if self._faults.refuse_joins:
            return refusal(403, 17, "JoinCall failed with error: user does not have permission")
        cid = f"{request.match_info['type']}:{request.match_info['id']}"
        body = await request.json()
        user_id, line = self._lines[request.query.get("connection_id") or body["connection_id"]]
        if cid not in self.creators and not body.get("create"):
            return refusal(404, 16, "JoinCall failed with error: call does not exist")
        self.creators.setdefault(cid, user_id)
        self._room(cid).lines.add(line)
        address = self._sfu_address()
        server = {
            "edge_name": "fake",
            "url": f"http://{address}/twirp",
            "ws_endpoint": f"ws://{address}/sfu/ws",
        }
        return web.json_response(
            {
                "duration": "1ms",
                "created": True,
                "call": {"cid": cid, **request.match_info},
                "members": [],
                "own_capabilities": ["join-call", "send-audio", "send-video"],
                "credentials": {"server": server, "token": f"{cid} {user_id}", "ice_servers": []},
                "stats_options": {"reporting_interval_ms": 60_000, "enable_rtc_stats": False},
            }
        )

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        connection_id = f"connection-{len(self._lines) + 1}"
        async for message in line:
            if message.type != WSMsgType.TEXT:
                continue
            greeting = json.loads(message.data)
            if isinstance(greeting, dict) and "token" in greeting:
                await self._greet(line, request.query.get("api_key"), greeting, connection_id)
        return line

    async def _greet(
        self, line: web.WebSocketResponse, api_key: str | None, greeting: dict[str, Any], connection_id: str
    ) -> None:
        try:
            user_id = self._credentials.check(api_key, greeting["token"])
        except Refused as refused:
            error = {"code": refused.code, "message": str(refused), "StatusCode": 401}
            await line.send_json({"type": "connection.error", "connection_id": "", "error": error})
            await line.close()
            return
        user_id = user_id or greeting["user_details"]["id"]
        self._lines[connection_id] = (user_id, line)
        me = {
            "id": user_id,
            "role": "user",
            "created_at": _MOMENT,
            "updated_at": _MOMENT,
            "custom": {},
            "devices": [],
            "language": "",
            "teams": [],
        }
        await line.send_json({"type": "connection.ok", "connection_id": connection_id, "created_at": _MOMENT, "me": me})


def refusal(status: int, code: int, message: str, retry_after_seconds: int | None = None) -> web.Response:
    """An error with all the fields that the SDK insists on."""
    headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
    body = {
        "code": code,
        "message": message,
        "StatusCode": status,
        "duration": "1ms",
        "more_info": "",
        "details": [],
    }
    return web.json_response(body, status=status, headers=headers)
