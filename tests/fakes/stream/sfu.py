"""The SFU's two doors: the websocket with protobuf, and Twirp over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web
from getstream.video.rtc.pb.stream.video.sfu.event import events_pb2 as events
from getstream.video.rtc.pb.stream.video.sfu.models import models_pb2 as models
from getstream.video.rtc.pb.stream.video.sfu.signal_rpc import signal_pb2 as signal
from tests.fakes.stream.seat import Seat

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message
    from tests.fakes.stream.faults import Faults
    from tests.fakes.stream.room import Room


class Sfu:
    """Seats agents in rooms and carries their signals."""

    def __init__(self, faults: Faults, room: Callable[[str], Room]) -> None:
        self._faults = faults
        self._room = room
        self._seats: dict[str, tuple[Room, Seat]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/sfu/ws", self._websocket),
            web.post("/twirp/stream.video.sfu.signal.SignalServer/{method}", self._signal),
        ]

    async def close(self) -> None:
        for room, seat in self._seats.values():
            await room.vacate(seat)

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for message in websocket:
            if message.type != WSMsgType.BINARY:
                continue
            asked = events.SfuRequest()
            asked.ParseFromString(message.data)
            match asked.WhichOneof("request_payload"):
                case "join_request":
                    await self._join(asked.join_request, websocket)
                case "health_check_request":
                    await websocket.send_bytes(
                        events.SfuEvent(health_check_response=events.HealthCheckResponse()).SerializeToString()
                    )
                case "leave_call_request":
                    room, seat = self._seats[asked.leave_call_request.session_id]
                    await room.vacate(seat)
        return websocket

    async def _join(self, asked: events.JoinRequest, websocket: web.WebSocketResponse) -> None:
        if self._faults.mute_sfu:
            return
        if asked.session_id in self._seats:
            room, seat = self._seats[asked.session_id]
            seat.resume(websocket)
            await room.resume(seat)
            return
        cid, user_id = asked.token.split(" ")
        room, seat = self._room(cid), Seat(user_id, asked.session_id, websocket)
        self._seats[asked.session_id] = (room, seat)
        await room.seat(seat)
        former = asked.reconnect_details.previous_session_id
        if former in self._seats:
            await room.vacate(self._seats[former][1])

    async def _signal(self, request: web.Request) -> web.Response:
        body = await request.read()
        match request.match_info["method"]:
            case "SetPublisher":
                offered = signal.SetPublisherRequest()
                offered.ParseFromString(body)
                sdp = await self._seats[offered.session_id][1].published(offered.sdp)
                return _message(signal.SetPublisherResponse(sdp=sdp, session_id=offered.session_id))
            case "SendAnswer":
                answered = signal.SendAnswerRequest()
                answered.ParseFromString(body)
                if answered.peer_type == models.PEER_TYPE_SUBSCRIBER:
                    await self._seats[answered.session_id][1].answered(answered.sdp)
                return _message(signal.SendAnswerResponse())
            case "UpdateSubscriptions":
                asked = signal.UpdateSubscriptionsRequest()
                asked.ParseFromString(body)
                video = {track.session_id for track in asked.tracks if track.track_type == models.TRACK_TYPE_VIDEO}
                room, seat = self._seats[asked.session_id]
                room.subscribe(seat, video)
                return _message(signal.UpdateSubscriptionsResponse())
            case _:
                # ICE candidates are all in the SDP; mutes and statistics change nothing here.
                return web.Response(body=b"", content_type="application/protobuf")


def _message(message: Message) -> web.Response:
    return web.Response(body=message.SerializeToString(), content_type="application/protobuf")
