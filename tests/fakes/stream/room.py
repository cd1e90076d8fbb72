"""A call: callers of the test, agents of the SDK, and what each learns of the other."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from getstream.video.rtc.pb.stream.video.sfu.event import events_pb2 as events
from getstream.video.rtc.pb.stream.video.sfu.models import models_pb2 as models
from tests.fakes.stream.caller import Caller

if TYPE_CHECKING:
    from aiohttp import web
    from tests.fakes.stream.seat import Seat

_session_numbers = itertools.count(1)


class Room:
    """One call, by its `cid`: `default:demo`."""

    def __init__(self, cid: str) -> None:
        self.cid = cid
        self.callers: list[Caller] = []
        self.seats: dict[str, Seat] = {}
        self.lines: set[web.WebSocketResponse] = set()
        """The coordinator's websockets of those who asked for a place here."""
        self._seats_changed = asyncio.Event()

    async def enter(self, user_id: str, name: str = "", film: tuple[int, int, int] | None = None) -> Caller:
        """Somebody comes, with their camera on if it shows a colour (Y, U, V)."""
        caller = Caller(user_id, name or user_id.title(), f"session-{next(_session_numbers)}")
        caller.film = film
        self.callers.append(caller)
        joined = events.ParticipantJoined(call_cid=self.cid, participant=participant_of(caller))
        for seat in self._seated():
            await seat.send(participant_joined=joined)
            seat.offer(self.callers)
        return caller

    async def leave(self, caller: Caller) -> None:
        self.callers.remove(caller)
        left = events.ParticipantLeft(call_cid=self.cid, participant=participant_of(caller))
        for seat in self._seated():
            await seat.send(participant_left=left)

    async def camera_on(self, caller: Caller, film: tuple[int, int, int]) -> None:
        """The caller's camera goes on and shows a colour (Y, U, V)."""
        caller.film = film
        published = events.TrackPublished(
            user_id=caller.user_id,
            session_id=caller.session_id,
            type=models.TRACK_TYPE_VIDEO,
            participant=participant_of(caller),
        )
        for seat in self._seated():
            await seat.send(track_published=published)
            seat.offer(self.callers)

    async def end(self) -> None:
        """The call ends for all."""
        for seat in self._seated():
            await seat.send(call_ended=events.CallEnded(reason=models.CALL_ENDED_REASON_ENDED))

    async def end_by_coordinator(self) -> None:
        """The call ends, and only the coordinator says so."""
        call_type, _, call_id = self.cid.partition(":")
        for line in self.lines:
            if not line.closed:
                call = {"type": call_type, "id": call_id, "cid": self.cid}
                await line.send_json({"type": "call.ended", "call_cid": self.cid, "call": call})

    async def agent(self) -> Seat:
        """The agent's seat, once one is there and publishes its sound."""
        while not (seated := self._seated()):
            self._seats_changed.clear()
            await self._seats_changed.wait()
        await seated[0].publishing.wait()
        return seated[0]

    # --- for the SFU ---

    async def seat(self, seat: Seat) -> None:
        others = [other for other in self._seated() if other is not seat]
        self.seats[seat.session_id] = seat
        everybody = [*map(participant_of, self.callers), *map(participant_of_agent, self._seated())]
        await seat.welcome(everybody, reconnected=False)
        joined = events.ParticipantJoined(call_cid=self.cid, participant=participant_of_agent(seat))
        for other in others:
            await other.send(participant_joined=joined)
        seat.offer(self.callers)
        self._seats_changed.set()

    async def resume(self, seat: Seat) -> None:
        everybody = [*map(participant_of, self.callers), *map(participant_of_agent, self._seated())]
        await seat.welcome(everybody, reconnected=True)
        seat.offer(self.callers)

    def subscribe(self, seat: Seat, session_ids: set[str]) -> None:
        """`seat` wants to see the cameras of these sessions, and no others."""
        seat.wanted = session_ids
        seat.offer(self.callers)

    async def vacate(self, seat: Seat) -> None:
        if seat.left.is_set():
            return
        await seat.close()
        left = events.ParticipantLeft(call_cid=self.cid, participant=participant_of_agent(seat))
        for other in self._seated():
            await other.send(participant_left=left)
        self._seats_changed.set()

    def _seated(self) -> list[Seat]:
        return [seat for seat in self.seats.values() if not seat.left.is_set()]


def participant_of(caller: Caller) -> models.Participant:
    return models.Participant(
        user_id=caller.user_id,
        session_id=caller.session_id,
        name=caller.name,
        track_lookup_prefix=caller.lookup_prefix,
        published_tracks=[models.TRACK_TYPE_AUDIO, *([models.TRACK_TYPE_VIDEO] if caller.film else [])],
    )


def participant_of_agent(seat: Seat) -> models.Participant:
    return models.Participant(
        user_id=seat.user_id, session_id=seat.session_id, track_lookup_prefix=f"prefix-{seat.session_id}"
    )
